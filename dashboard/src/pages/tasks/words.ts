// What this page says.

export const WORDS = {
  title: "Tasks",
  bar: "Filter: status:FAILED queue:payments words",
  all: "all",
  none: "Nothing matches.",
  noTasks: "No task has been submitted yet.",
  newer: "newer",
  past: "greyed task has gone on and no longer matches: leave it out",
  pastMany: "greyed tasks have gone on and no longer match: leave them out",
  save: "Save view",
  saved: "View saved",
  csv: "CSV",
  columns: "Columns",
  peekEmpty: "This task is not there any more.",
  clear: "Clear all filters",
  filters: "Filters",
  showThem: "Show them",
  allEnded: "What has ended cannot be cancelled.",
} as const;
