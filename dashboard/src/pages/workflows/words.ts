// What this page says.

export const WORDS = {
  title: "Workflows",
  lead: "Tasks that wait for each other.",
} as const;
