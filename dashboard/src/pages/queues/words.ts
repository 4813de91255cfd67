// What this page says.

export const WORDS = {
  title: "Queues",
  lead: "Where tasks wait, those in need first.",
} as const;
