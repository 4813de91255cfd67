// What this page says.

export const WORDS = {
  title: "Names",
  lead: "Which tasks there are, and who knows them.",
} as const;
