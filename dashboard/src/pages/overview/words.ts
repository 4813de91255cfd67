// What this page says.

export const WORDS = {
  title: "Overview",
  lead: "How it is now.",
} as const;
