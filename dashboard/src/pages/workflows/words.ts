// What this page says.

export const WORDS = {
  title: "Workflows",
  none: "No workflow matches.",
  empty: "No workflow has been started yet.",
  emptyWhy:
    "A workflow is a list of steps that wait for each other: a chain, a fan, or any graph of up to 1,000.",
  submit: "Start one",
  clear: "Clear the filter",
  name: "Name of the workflow, whole",
} as const;
