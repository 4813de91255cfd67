// What this page says.

export const WORDS = {
  title: "Alerts",
  lead: "What is wrong, and what to do.",
} as const;
