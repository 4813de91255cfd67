// What this page says.

export const WORDS = {
  title: "Task",
  lead: "The story of one task.",
} as const;
