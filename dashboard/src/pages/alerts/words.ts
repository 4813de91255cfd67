// What this page says.

export const WORDS = {
  title: "Alerts",
  open: "Open",
  past: "Past",
  rules: "Rules",
  none: "No alert is open.",
  noneText: "An alert is raised once, stays while its condition lasts, and resolves by itself.",
  noPast: "No alert has come to its end in the last 90 days.",
  whatToDo: "What to do",
  evidence: "Evidence",
  seen: "Seen",
  seenDone: "Noted that you have seen it",
  rulesLead: "When an alert is raised, and when it is over. A change is in force within 5 s.",
  changeRule: "Change",
  notify: "Who is told",
} as const;
