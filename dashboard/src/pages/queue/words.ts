// What this page says.

export const WORDS = {
  title: "Queue",
  lead: "What waits here, and who takes it.",
} as const;
