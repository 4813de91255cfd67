// What became of something that was done to many tasks at once. Pure.
import { plural } from "./format.ts";
import { listOfMade } from "./replays.ts";

export type Verb = "cancel" | "replay";

/** What became of it: what was done, and what was not, by why. */
export interface Outcome {
  verb: Verb;
  /** When the last answer came, in milliseconds. */
  at: number;
  done: number;
  /** What a replay has made. */
  made: readonly Made[];
  refused: Readonly<Record<string, number>>;
  /** How many nobody has answered. */
  unanswered: number;
}

export interface Made {
  task_id: string;
  created_at: string;
}

interface Failure {
  message: string;
  isAway?: boolean;
}

/** Return what became of so many of which these failed; `before`: what was done just before is counted with it. */
export function outcomeOf(
  {
    verb,
    all,
    made,
    failures,
    at,
  }: Pick<Outcome, "verb" | "made" | "at"> & { all: number; failures: Iterable<Failure> },
  before?: Outcome | null,
): Outcome {
  const refused: Record<string, number> = { ...before?.refused };
  let failed = 0;
  let unanswered = before?.unanswered ?? 0;
  for (const { message, isAway } of failures) {
    failed += 1;
    if (isAway) unanswered += 1;
    else refused[message] = (refused[message] ?? 0) + 1;
  }
  const done = (before?.done ?? 0) + all - failed;
  return { verb, at, done, made: [...(before?.made ?? []), ...made], refused, unanswered };
}

const DONE = { cancel: "Cancel asked for", replay: "Replayed" } as const;

/** Return it step by step, as a receipt has it: each sentence is true as it stands. */
export function stepsOfMany(it: Outcome): { title: string; state: "ok" | "failed" }[] {
  const steps: { title: string; state: "ok" | "failed" }[] = [];
  if (it.done > 0) steps.push({ title: `${DONE[it.verb]} ${plural(it.done, "task")}.`, state: "ok" });
  for (const [why, number] of Object.entries(it.refused))
    steps.push({ title: `Refused: ${plural(number, "task")}. ${why}`, state: "failed" });
  if (it.unanswered > 0)
    steps.push({
      title: `No answer: ${plural(it.unanswered, "task")}. Whether it was done is not known.`,
      state: "failed",
    });
  return steps;
}

/** Return where what was made is seen: the task, or the replays of those moments, other people's among them. */
export function placeOfMade(made: readonly Made[]): { label: string; to: string } | null {
  const [first] = made;
  if (!first) return null;
  if (made.length === 1) return { label: "Open it", to: `/tasks/${encodeURIComponent(first.task_id)}` };
  return { label: "Show the replays of that moment", to: listOfMade(made) };
}
