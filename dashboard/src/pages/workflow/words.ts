// What this page says.

export const WORDS = {
  title: "Workflow",
  onPath: "on the critical path",
  pathWhy:
    "Bold in the graph. Of all ways there, the one that took longest; each step waits from the end of the last that it needs, for a worker and for its last try.",
  fold: "Group parallel steps",
  graphLabel: "Graph of the steps; arrow keys follow its lines, the tab Steps has the same as a table",
  zoom: "Size of the graph",
  gone: "There is no workflow with this id.",
  goneWhy: "It may have been deleted at the end of its retention, or never started here.",
  noEvents: "Nothing has been told of it yet.",
  onlyFailures: "Only what went wrong",
  noFailures: "Nothing of it has gone wrong.",
  unstarted: "not started",
  omitted: "The result is large: the task's page has it.",
  noTask: "none: it was skipped",
} as const;
