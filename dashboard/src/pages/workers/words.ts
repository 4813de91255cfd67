// What this page says.

export const WORDS = {
  title: "Workers",
  lead: "Who runs the tasks.",
} as const;
