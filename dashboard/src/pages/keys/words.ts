// What this page says.

export const WORDS = {
  title: "API keys",
  lead: "Who may do what.",
} as const;
