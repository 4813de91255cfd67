// What this page says.

export const WORDS = {
  title: "Submit a task",
  lead: "A new task, or one again with changes.",
} as const;
