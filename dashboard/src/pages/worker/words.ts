// What this page says.

export const WORDS = {
  title: "Worker",
  lead: "What is wanted of this worker, and what is seen.",
} as const;
