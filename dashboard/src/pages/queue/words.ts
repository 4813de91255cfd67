// What this page says; what it shares with the list stands in `pages/queues/words.ts`.
import { WORDS as SHARED } from "../queues/words.ts";

export const WORDS = {
  ...SHARED,
  title: "Queue",
  missing: "No task has named this queue, and no worker consumes it.",
  show: "Show tasks",
  priorities: "Not started, by priority",
  prioritiesNote: "10 goes first",
  none: "No task of it is on its way.",
  consumers: "Consumers",
  noConsumer: "No worker that is online consumes it, and none that was here did.",
  adopted: "took it on",
  adoptedWhy: "Nobody consumed it, so this worker was told to (CELERIAC_ADOPT_QUEUES).",
  whatIf: "What if",
  noMean:
    "How long its tasks take is not known: none has ended within the last 6 hours, so nothing can be said of what more workers would change.",
  names: "Names here",
  noNames: "No task of it has been counted in these 6 hours.",
  hour: "The last hour",
} as const;
