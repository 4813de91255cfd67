// What this page says.

export const WORDS = {
  title: "Audit",
  lead: "Who did what, the newest first. A submission is no row here: its task tells of it.",
  none: "Nobody has done anything yet.",
  noneFiltered: "Nothing was done like that.",
  accepted: "What came of it is told by what it was done to.",
  csv: "CSV",
  verify: "Verify",
  needs: "The audit is read with a key that has admin.",
} as const;
