// What these pages say.

export const WORDS = {
  title: "Queues",
  empty: "No queue is known yet.",
  emptyHow: "A queue is known as soon as a task names it or a worker consumes it.",
  emptyButton: "Submit a task",
  fromMirror:
    "The broker does not answer. What waits is counted from tasks that were handed to it and not heard of since; those of other programs are missing.",
  dueInexact: "Only the 10,000 tasks that are longest due are counted as due.",
  waiting: "waiting",
  due: "due",
  dueNote: "not yet handed to the broker",
  held: "with workers",
  heldNote: "fetched and not finished",
  oldest: "oldest waits",
  oldestNote: "of those submitted here",
  in: "in",
  out: "out",
  ratesNote: "in this minute and the one before",
  noOne: "no worker",
} as const;
