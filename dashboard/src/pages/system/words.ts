// What this page says.

export const WORDS = {
  title: "System",
  lead: "The parts of the system, and how they are.",
} as const;
