// What this page says.

export const WORDS = {
  title: "Name",
  lead: "How the tasks of one name do.",
} as const;
