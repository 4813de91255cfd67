// What this page says.

export const WORDS = {
  title: "Tasks",
  lead: "Every task, from its submission to its end.",
} as const;
