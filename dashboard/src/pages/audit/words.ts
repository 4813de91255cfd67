// What this page says.

export const WORDS = {
  title: "Audit",
  lead: "Who did what.",
} as const;
