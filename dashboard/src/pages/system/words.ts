// What this page says.

export const WORDS = {
  title: "System",
  parts: "Parts",
  marks: "Marks",
  marksNote: "set by hand, or by a breaker of its own accord",
  noMarks: "Nothing is marked, and no breaker is open.",
  mark: "Mark…",
  clear: "Clear",
  breaker: "by a breaker: ends when it answers again",
  held: "Held back now",
  heldNote: "due, and kept by a mark",
  gaps: "Not heard",
  gapsNote: "the last 24 hours",
  about: "About",
  more: "More",
  whole: "Only whoever may see the whole fleet is told of its parts.",
  markTitle: "Mark a service",
  service: "Service",
  serviceHint: "database, broker, result_backend, workers, mirror, queue:NAME or task:NAME",
  strategy: "While it is marked",
  duration: "For",
} as const;
