// What this page says.

export const WORDS = {
  title: "Webhooks",
  lead: "Who is told of changes.",
} as const;
