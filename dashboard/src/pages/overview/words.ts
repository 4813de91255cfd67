// What this page says.

export const WORDS = {
  title: "Overview",
  waiting: "waiting",
  running: "running",
  completed: "completed",
  failed: "failing",
  wait: "mean wait",
  byMinute: "the last 36 minutes",
  bySecond: "the last seconds",
  workers: "workers",
  notHeard: "not heard now",
  hour: "The last hour",
  queues: "Queues",
  queuesNote: "those in need first",
  alerts: "Alerts",
  failing: "Failing in this hour",
  failingNote: "and the share of all failures",
  nothingFails: "Nothing has failed in this hour.",
  noAlerts: "No alert is open.",
  noQueues: "No queue is known yet.",
  anonymous: "tasks without a known name",
  noOne: "nobody consumes it",
  away: "While you were away",
  firstTitle: "Run the first task",
  firstText:
    "It counts the words of a sentence on a worker of this machine, and you watch it from here to its end.",
  firstButton: "Run celeriac.wordcount",
  firstOr: "Or from a terminal:",
  foreignTitle: "Your own Celery app",
  foreignText:
    "Point Celeriac at its broker and start its workers with -E. The plugin celeriac_worker adds cancels that hold, pauses and drains:",
} as const;
