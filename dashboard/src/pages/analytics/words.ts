// What this page says.

export const WORDS = {
  title: "Analytics",
  lead: "How it went.",
} as const;
