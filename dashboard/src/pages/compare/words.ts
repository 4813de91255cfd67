// What this page says.

export const WORDS = {
  title: "Compare",
  lead: "Two tasks, and where they first differ.",
} as const;
