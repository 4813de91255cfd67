// What this page says.

export const WORDS = {
  title: "Notifications",
  lead: "Who is told of alerts.",
} as const;
