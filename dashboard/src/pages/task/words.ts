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
