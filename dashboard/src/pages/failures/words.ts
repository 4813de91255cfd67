// What this page says.

export const WORDS = {
  title: "Failures",
  lead: "What fails, by its cause.",
} as const;
