// What this page says.

export const WORDS = {
  title: "System",
  parts: "Parts",
  marks: "Held back or treated as down",
  marksNote: "by hand, or by itself while it fails",
  noMarks: "Nothing is held back, and nothing is treated as down.",
  mark: "Hold back or refuse …",
  clear: "Clear",
  breaker: "by itself (a circuit breaker): ends when it answers again",
  held: "Held back now",
  heldNote: "due, and kept here",
  gaps: "Not heard",
  gapsNote: "the last 24 hours",
  about: "About",
  more: "More",
  whole: "Only whoever may see the whole fleet is told of its parts.",
  markTitle: "Hold back or refuse work",
  markText:
    "A queue, the tasks of one name, or a part of the system is treated as down for a while, whatever it answers.",
  setIt: "Set it",
  service: "What it is about",
  serviceHint: "queue:NAME, task:NAME, or one of database, broker, result_backend, workers, mirror",
  why: "Why, if you like",
  whyHint: "Whoever finds work held back is told.",
  strategy: "Meanwhile",
  duration: "For",
} as const;
