// What this page says.

export const WORDS = {
  title: "System",
  parts: "Parts",
  marks: "Marks",
  marksNote: "what is held back or treated as down: by hand, or by itself while it fails",
  noMarks: "Nothing is held back, and nothing is treated as down.",
  mark: "Set a mark",
  clear: "Clear",
  breaker: "by itself (a circuit breaker): ends when it answers again",
  held: "Held back now",
  heldNote: "due, and kept here by a mark",
  gaps: "Not heard",
  gapsNote: "the last 24 hours",
  about: "About",
  more: "More",
  whole: "Only whoever may see the whole fleet is told of its parts.",
  markTitle: "Set a mark",
  markText:
    "A mark says that a queue, the tasks of one name, or a part of the system is to be treated as down for a while, whatever it answers.",
  setIt: "Set the mark",
  service: "What to mark",
  serviceHint: "queue:NAME, task:NAME, or one of database, broker, result_backend, workers, mirror",
  why: "Why, if you like",
  whyHint: "Whoever finds work held back is told.",
  strategy: "While it is marked",
  duration: "For",
} as const;
