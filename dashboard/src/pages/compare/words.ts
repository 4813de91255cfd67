// What this page says.

export const WORDS = {
  title: "Compare",
  lead: "Two tasks, and where they first differ.",
  choose:
    "Give the ids of two tasks, or press d on a task: that compares it with the last success of its name.",
  arguments: "Arguments",
  argumentsSame: "The arguments are the same.",
  argumentsUnknown:
    "One of them was submitted by another program: Celery tells its arguments only as shortened text.",
  truncated: "There are more differences than are shown.",
  facts: "Side by side",
  timelines: "Timelines",
  one: "A",
  other: "B",
  missing: "One of the two tasks is not there any more.",
} as const;
