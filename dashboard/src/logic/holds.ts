// What marks hold back: how much, by whom, since when, until when and why. Pure.
import type { HeldRead, Hold, Mark } from "../api/types.ts";
import { about, type Clock, count, hour, plural } from "./format.ts";
import { nameOfWork, workOf } from "./marks.ts";
import type { Look } from "./status.ts";
import { nameOfMarked } from "./system.ts";

/** Return who set a mark and when, to go on a sentence: ` by ann since 02:10`; nothing where nobody knows. */
export function signatureOf(mark: Pick<Mark, "set_at" | "set_by_name">, clock: Clock): string {
  const by = mark.set_by_name ? ` by ${mark.set_by_name}` : "";
  return by + (mark.set_at ? ` since ${hour(Date.parse(mark.set_at), clock)}` : "");
}

/** Return the same without a time of day, as the terminal says it too: ` by ann, for 3 h 12 m so far`. */
export function authorOf(mark: Pick<Mark, "set_at" | "set_by_name">, now: number): string {
  const by = mark.set_by_name ? ` by ${mark.set_by_name}` : "";
  const seconds = mark.set_at ? Math.max(0, (now - Date.parse(mark.set_at)) / 1000) : null;
  return by + (seconds === null ? "" : `, for ${about(seconds)} so far`);
}

/** Return why, where it was said. */
export const reasonOf = (mark: Pick<Mark, "reason">): string =>
  mark.reason ? ` The reason given: “${mark.reason}”.` : "";

/** Return whose tasks a mark is for: `of pay`, `of queue mail`; nothing for all. */
function ofWhom(service: string): string {
  const work = nameOfWork(service);
  return work === null ? "" : ` of ${work.kind === "queue" ? `queue ${work.name}` : work.name}`;
}

/** Return how many tasks are held back, and by whom since when: `1,204 tasks of pay are held back by ann since 02:10.` */
export function sentenceOfHold(hold: Hold, clock: Clock, isExact = true): string {
  const until = hold.degraded_until ? `, until ${hour(Date.parse(hold.degraded_until), clock)}` : "";
  return `${heldBack(hold, isExact)}${signatureOf(hold, clock)}${until}.${reasonOf(hold)}`;
}

/** Return `1,204 tasks of pay are held back`. */
export const heldBack = (hold: Pick<Hold, "count" | "service_name">, isExact = true): string =>
  `${tasksOf(hold, isExact)} ${hold.count === 1 && isExact ? "is" : "are"} held back`;

const tasksOf = (hold: Pick<Hold, "count" | "service_name">, isExact: boolean): string =>
  `${plural(hold.count, "task", "tasks", isExact)}${ofWhom(hold.service_name)}`;

/** What is read of a task to know what holds it back. */
export interface MayBeHeld {
  phase?: string;
  queue_name?: string | null;
  task_name?: string | null;
}

/** Return the mark that holds a task back, the first where several do. */
export function holdOn(task: MayBeHeld, held: HeldRead | undefined): Hold | undefined {
  if (task.phase !== "dispatching") return undefined;
  const row = held?.data.find(
    (one) => one.queue_name === task.queue_name && one.task_name === task.task_name,
  );
  return row && held!.marks.find((mark) => row.held_by.includes(mark.service_name));
}

/** Return why a task does not start: `Held back by ann since 02:10, until 06:10: all tasks named pay are.` */
export function sentenceOfHeld(hold: Mark, clock: Clock): string {
  const until = hold.degraded_until ? `, until ${hour(Date.parse(hold.degraded_until), clock)}` : "";
  const who = workOf(hold.service_name);
  return `Held back${signatureOf(hold, clock)}${until}${who ? `: ${who}` : ""}.${reasonOf(hold)}`;
}

/** Return the services whose marks hold work back until somebody lets it go; a breaker's ends by itself. */
const holdersIn = (held: Pick<HeldRead, "marks">): ReadonlySet<string> =>
  new Set(held.marks.filter((mark) => !mark.automatic).map((mark) => mark.service_name));

/** Return what is held back by more than a breaker: what waits for the broker alone is due. */
export function heldRows(held: Pick<HeldRead, "data" | "marks"> | undefined): HeldRead["data"] {
  if (!held) return [];
  const holders = holdersIn(held);
  return held.data.filter((one) => one.held_by.some((service) => holders.has(service)));
}

/** Return how what is held back stands in the strip, by the services whose marks hold it. */
export function wordOfHeld(
  by: readonly string[] = [],
  isBrokerAway = false,
): { word: string; title: string } {
  return isBrokerAway && by.every((service) => service === "broker")
    ? { word: "wait for the broker", title: "Due: they are handed to the broker once it answers." }
    : {
        word: "held back",
        title: by.length === 0 ? "" : `By the mark of ${by.map(nameOfMarked).join(", ")}.`,
      };
}

/** Return how a task is shown that a mark holds back. */
export const lookOfHeld = (hold: Mark, clock: Clock): Look => ({
  word: "held back",
  tone: "waiting",
  shape: "paused",
  meaning: sentenceOfHeld(hold, clock),
});

/** Return the filter of the list of what a mark holds back: due, and not handed to the broker. */
export function listOfHold(service: string): Record<string, string> {
  const work = nameOfWork(service);
  return {
    phase: "dispatching",
    ...(work && { [work.kind === "queue" ? "queue_name" : "task_name"]: work.name }),
  };
}

/** Return the address of that list. */
export const pathOfHold = (service: string): string => `/tasks?${new URLSearchParams(listOfHold(service))}`;

/** Return the marks of names, or of queues, that hold something back, the most first. */
export const holdsOf = (held: HeldRead | undefined, kind: "queue" | "task"): Hold[] =>
  (held?.marks ?? [])
    .filter((one) => one.count > 0 && nameOfWork(one.service_name)?.kind === kind)
    .sort((a, b) => b.count - a.count);

/** Return the sentence over a list of which some are held back; nothing while none is. */
export function sentenceOfHolds(holds: readonly Hold[], clock: Clock, isExact = true): string {
  const [first] = holds;
  if (!first) return "";
  if (holds.length === 1) return sentenceOfHold(first, clock, isExact);
  const all = holds.reduce((sum, one) => sum + one.count, 0);
  const most = `${count(first.count, isExact)} of them${ofWhom(first.service_name)}`;
  return `${count(all, isExact)} tasks of ${count(holds.length)} names are held back, ${most}${signatureOf(first, clock)}.`;
}
