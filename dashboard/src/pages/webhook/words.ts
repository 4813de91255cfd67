// What this page says.

export const WORDS = {
  title: "Webhook",
  lead: "What was told, and what was answered.",
} as const;
