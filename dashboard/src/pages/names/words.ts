// What these pages say.

export const WORDS = {
  title: "Names",
  empty: "No name is known yet.",
  emptyHow: "A name is known as soon as a worker that knows it is online, or a task of it is submitted.",
  filter: "Letters of the name",
  nothing: "No name has these letters.",
  clear: "Show all",
  noWorker: "no worker",
  missing: "No worker has known this name within 7 days, and no task of it is known.",
  knownTo: "Known to",
  knows: "knows it",
  knowsNot: "does not know it",
  nobodyOnline: "No worker is online.",
  over: "The last 24 hours",
  overNote: "by hour",
  failures: "How they fail",
  noFailures: "None of its tasks has failed in these 24 hours.",
  smallFailures:
    "How they fail is told of the 100 largest groups of the day only; theirs are not among them.",
  queues: "Where they waited",
  noQueues: "No task of it has been counted in these 24 hours.",
  latest: "Latest failure",
  submit: "Submit",
  show: "Show tasks",
} as const;
