// What this page says.

export const WORDS = {
  title: "Workflow",
  lead: "The steps of one workflow.",
} as const;
