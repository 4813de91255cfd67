// What this page says.

export const WORDS = {
  title: "Task",
  story: "Story",
  why: "Why is it not running?",
  replayWhat:
    "A new task of the same name is submitted, with the same arguments. What this one did is not undone.",
  replayedAs: "Replayed as",
  replayedBefore: "It was replayed before:",
  replayedHidden: "It was replayed before, as a task that you may not see.",
  replayedUnknown: "Whether it was replayed before is not known.",
  replayAgain: "Replay it again?",
  /** What is looked at on the way of a task. */
  checks: {
    due: "Whether its time has come.",
    marks: "Whether somebody, or a part that fails, holds back its queue, its name or everything.",
    outbox: "Where a task waits from its submission until it is handed to the broker.",
    breaker: "Hands nothing to the broker while that fails, and tries again by itself.",
    broker: "The server with the queues.",
    queue: "The list of messages in the broker that it waits in.",
    consumers: "The workers that take from its queue.",
    registered: "Whether these workers know a task of its name.",
    held: "Whether these workers are paused or draining.",
    fetched: "Whether a worker has taken it out of the queue.",
    capacity: "How many tasks these workers run at once.",
    runner: "Whether the worker that runs it is there.",
    mirror: "Hears what workers tell, and writes it down.",
    cancel: "Whether somebody has asked for it to be cancelled.",
  } as Record<string, string>,
  /** The lanes of its story. */
  lanes: {
    scheduled: "It was submitted for later.",
    outbox: "From its submission until it was handed to the broker.",
    queue: "In a queue of the broker, until a worker fetched it.",
    "back-off": "The pause before the next try.",
  } as Record<string, string>,
  whyRunning: "What holds it up?",
  input: "Input",
  result: "Result",
  error: "Error",
  facts: "Facts",
  events: "Events",
  tree: "Tree",
  noArgs: "Without arguments.",
  cut: "Told by Celery as text, which it cuts at 1,024 characters.",
  resultPending: "The result backend has not told the result yet.",
  resultTruncated: "The result is above 1 MiB or nested deeper than 200, and was not kept.",
  noReplay:
    "Its arguments were not recorded: another program submitted it. So it cannot be replayed from here.",
  incomplete: "A part of this was not heard.",
  traceback: "Traceback",
} as const;
