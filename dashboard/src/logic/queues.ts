// What is to be said of queues: which needs a look first, how one is, and what more workers would change. Pure.
import type { HeldRead, QueueRow } from "../api/types.ts";
import { quoted } from "./curl.ts";
import { about, type Clock, count, duration, hour, NONE, plural } from "./format.ts";
import { heldRows } from "./holds.ts";

/** Return how much a queue needs a look: nobody takes from it, it is held back, it grows, it waits. */
export function need(queue: QueueRow): number {
  const waiting = (queue.waiting ?? 0) + queue.due;
  const unserved = isUnserved(queue) ? 1e15 : 0;
  const held = queue.mark !== null ? 1e14 : 0;
  const grows = waiting > 0 && queue.in_per_minute > queue.out_per_minute ? 1e13 : 0;
  return unserved + held + grows + waiting;
}

/** Return them so that those in need come first, else by name. */
export function byNeed(queues: readonly QueueRow[]): QueueRow[] {
  return [...queues].sort(
    (a, b) => need(b) - need(a) || a.queue_name.localeCompare(b.queue_name, "en", { numeric: true }),
  );
}

/** Return them as they are known: while workers are not heard, nobody is said to be gone. */
export const asHeard = (queues: readonly QueueRow[], isHeard: boolean): readonly QueueRow[] =>
  isHeard ? queues : queues.map((queue) => ({ ...queue, isUnheard: true }));

/** Whether something waits in it, and nobody is there who takes it. */
export const isUnserved = (queue: QueueRow) =>
  !queue.isUnheard && queue.active_consumers === 0 && (queue.waiting ?? 0) + queue.due > 0;

/** Return who takes from it, in a few words. */
export function takersOf(queue: Pick<QueueRow, "consumers" | "active_consumers" | "isUnheard">): string {
  const { consumers, active_consumers: active } = queue;
  if (queue.isUnheard) return "not heard";
  if (consumers === 0) return "no worker";
  if (active === consumers) return plural(consumers, "worker");
  return active > 0
    ? `${count(active)} of ${plural(consumers, "worker")}`
    : `${plural(consumers, "worker")}, paused or draining`;
}

export interface Way {
  text: string;
  command?: string;
}

/** Return how a queue gets a consumer: what is done by itself first, then what to do. */
export function waysToConsume(queue: {
  queue_name: string;
  takers: readonly string[];
  adopts: boolean;
}): Way[] {
  const [taker] = queue.takers;
  const name = quoted(queue.queue_name);
  const start: Way = { text: "Start one:", command: `celery -A your_app worker -E -Q ${name}` };
  if (taker === undefined) return [start];
  const host = taker.replace(/^celery@/, "");
  if (queue.adopts)
    return [
      { text: `${host} knows what waits in it, and is told to consume it within seconds.` },
      { ...start, text: "Otherwise start one:" },
    ];
  const told = `celery -A your_app control add_consumer ${name} -d ${quoted(taker)}`;
  return [
    start,
    { text: `Or let ${host}, which knows what waits in it, consume it as well:`, command: told },
  ];
}

/** A rate that is one a minute already: `40/min`. */
export function rate(perMinute: number): string {
  return `${perMinute > 0 && perMinute < 9.95 ? Number(perMinute.toFixed(1)) : count(Math.round(perMinute))}/min`;
}

const secondsSince = (at: string, now: number) => Math.max(0, (now - Date.parse(at)) / 1000);

/** Return the sentence over the list. */
export function sentenceOfQueues(queues: readonly QueueRow[], now: number): string {
  if (queues.length === 0) return "No queue is known yet.";
  const unserved = byNeed(queues).filter(isUnserved);
  const held = queues.filter((one) => one.mark !== null);
  const parts: string[] = [];
  const first = unserved[0];
  if (first) {
    const more = unserved.length - 1;
    parts.push(
      `${unserved.every((one) => one.consumers === 0) ? "Nobody consumes" : "No worker takes from"} ${first.queue_name}${more > 0 ? ` and ${plural(more, "other queue")}` : ""}: ${waitsAndDue(unserved)}.`,
    );
  }
  if (held.length > 0)
    parts.push(
      `${held.length === 1 ? `${held[0]!.queue_name} is` : plural(held.length, "queue is", "queues are")} held back.`,
    );
  if (parts.length > 0) return parts.join(" ");
  if (!queues.some((one) => (one.waiting ?? 0) + one.due > 0))
    return `Nothing waits in ${queues.length === 1 ? "the only queue" : `any of ${plural(queues.length, "queue")}`}.`;
  const oldest = queues.map((one) => one.oldest_waiting_at).filter((at) => at !== null);
  const since =
    oldest.length > 0
      ? `, the oldest for ${about(Math.max(...oldest.map((at) => secondsSince(at, now))))}`
      : "";
  const takers = queues.some((one) => one.isUnheard)
    ? NOT_HEARD
    : "Every queue in which something waits is consumed.";
  return `${waitsAndDue(queues, since)}. ${takers}`;
}

const NOT_HEARD = "Who takes it is not known: workers are not heard now.";

/** Return how much waits in the broker, in all of these; null where it is not known of one. */
export function waitingIn(queues: readonly QueueRow[]): number | null {
  const known = queues.map((one) => one.waiting).filter((waiting) => waiting !== null);
  return known.length === queues.length ? known.reduce((sum, one) => sum + one, 0) : null;
}

/** What waits in the broker and what is not there yet are told apart, as the figures below tell them. */
function waitsAndDue(queues: readonly QueueRow[], since = ""): string {
  const waiting = queues.reduce((sum, one) => sum + (one.waiting ?? 0), 0);
  const due = queues.reduce((sum, one) => sum + one.due, 0);
  if (due === 0) return `${waits(waiting)}${since}`;
  const notYet = "due and not yet handed to the broker";
  return waiting === 0
    ? `${plural(due, "task is", "tasks are")} ${notYet}`
    : `${waits(waiting)}${since}, and ${plural(due, "more is", "more are")} ${notYet}`;
}

const waits = (number: number) => plural(number, "task waits", "tasks wait");

/** What marks hold back of one name. */
export interface HeldBack {
  count: number;
  held_by: readonly string[];
}

/** Return the sentence under the name of a queue. `heldBack`: what marks hold back of what is due in it; `drift`:
 * how many more wait each minute. */
export function sentenceOfQueue(
  queue: QueueRow,
  now: number,
  { heldBack = [], drift = null }: { heldBack?: readonly HeldBack[]; drift?: number | null } = {},
): string {
  const waiting = queue.waiting;
  const held = heldBack.reduce((sum, one) => sum + one.count, 0);
  const names = [...new Set(heldBack.flatMap((one) => one.held_by))].map((one) => one.replace(/^task:/, ""));
  const late = queue.due - held;
  const due =
    (held > 0
      ? ` ${plural(held, "task more is", "tasks more are")} held back, by the mark of ${names.join(", ")}.`
      : "") +
    (late > 0
      ? ` ${plural(late, "task more is", "tasks more are")} due and not handed to the broker yet.`
      : "");
  if (queue.mark !== null) {
    const until = queue.mark.degraded_until
      ? ` for ${about((Date.parse(queue.mark.degraded_until) - now) / 1000)} more`
      : "";
    return queue.mark.strategy === "queue_only"
      ? `Held back${until}: what is submitted to it waits here, ${plural(queue.due, "task")} so far. What the broker has already still runs.`
      : `Marked as degraded${until}: what is submitted to it is refused.`;
  }
  if (waiting === null) return `How much waits in it is told to those only who may see all of it.${due}`;
  const since = queue.oldest_waiting_at
    ? `, the oldest for ${about(secondsSince(queue.oldest_waiting_at, now))}`
    : "";
  if (queue.isUnheard)
    return `${waiting === 0 ? "As far as is known, nothing waits in it" : `${waits(waiting)}${since}`}. ${NOT_HEARD}${due}`;
  if (queue.consumers === 0)
    return waiting === 0
      ? `Nobody consumes it, and nothing waits in it.${due}`
      : `Nobody consumes it: ${waits(waiting)}${since}.${due}`;
  if (waiting === 0) return `Nothing waits in it.${due}`;
  if (queue.active_consumers === 0)
    return `${queue.consumers === 1 ? "Its only worker takes" : `All ${count(queue.consumers)} workers that consume it take`} no tasks: ${waits(waiting)}${since}.${due}`;
  return `${waits(waiting)}${since}${courseIn(queue, drift)}${due}`;
}

/** How it goes on from "12 tasks wait". */
function courseIn(queue: QueueRow, drift: number | null): string {
  switch (courseOf(queue, drift)) {
    case "level":
      return ". About as many come as go: it holds its level.";
    case "falls":
      return `. As it goes, it is empty in ${about(secondsLeft(queue, drift))}.`;
    case "grows":
      return `, and more come than go: it grows by ${rate(drift ?? 0)}.`;
    case "stuck":
      return ". Nothing of it has started in this minute and the one before.";
    default:
      return ".";
  }
}

/** What is read of the tasks of a queue that are scheduled for later. */
export interface ScheduledRead {
  total: number;
  total_is_exact: boolean;
  data: readonly { scheduled_at: string | null }[];
}

/** Return the sentence about what is scheduled: how much, and when the next is due, where all of it was read. */
export function sentenceOfScheduled(read: ScheduledRead | undefined, clock: Clock): string {
  if (!read || read.total === 0) return "";
  const times = read.data.map((one) => Date.parse(one.scheduled_at ?? "")).filter((at) => at > 0);
  const isAll = read.total_is_exact && read.total <= read.data.length && times.length > 0;
  const next = isAll ? `, the next at ${hour(Math.min(...times), clock)}` : "";
  return `${count(read.total, read.total_is_exact)} scheduled${next}.`;
}

export type Course = "empty" | "held" | "still" | "level" | "falls" | "grows" | "stuck" | "unknown";

/** Return where a queue is going at this moment: the one judgement behind every place that says it. `drift`: how many
 * more wait each minute; null is not known. Nothing is foretold of what is held back or not taken. */
export function courseOf(queue: QueueRow, drift: number | null): Course {
  const { waiting } = queue;
  if (waiting === null || queue.isUnheard) return "unknown";
  if (queue.mark?.strategy === "queue_only" && queue.due > 0) return "held";
  if (waiting === 0) return "empty";
  if (queue.active_consumers === 0) return "still";
  if (drift === null) return "unknown";
  if (Math.abs(drift) < Math.max(1, waiting * NO_CHANGE)) return queue.out_per_minute > 0 ? "level" : "stuck";
  return drift < 0 ? "falls" : "grows";
}

/** A minute in which so small a share of what waits has come or gone changes nothing that is worth a word. */
const NO_CHANGE = 0.02;

const secondsLeft = (queue: QueueRow, drift: number | null): number | null =>
  drift !== null && drift < 0 ? (60 * (queue.waiting ?? 0)) / -drift : null;

/** When it will be empty, for a cell. */
export function emptyIn(queue: QueueRow, drift: number | null): string {
  switch (courseOf(queue, drift)) {
    case "level":
      return "holds its level";
    case "falls": {
      const seconds = secondsLeft(queue, drift)!;
      return seconds < 1 ? "< 1 s" : duration(Math.round(seconds));
    }
    case "grows":
      return "it grows";
    case "stuck":
    case "still":
      return "never";
    default:
      return NONE;
  }
}

/** Return how much of what is due in a queue marks hold back. `held`: what is read of it, where that may be read. */
export function heldIn(queue: QueueRow, held: Pick<HeldRead, "data" | "marks"> | undefined): number {
  if (queue.mark?.strategy === "queue_only") return queue.due;
  const here = heldRows(held).filter((one) => one.queue_name === queue.queue_name);
  return Math.min(
    queue.due,
    here.reduce((sum, one) => sum + one.count, 0),
  );
}

/** Return what is there beside what waits in the broker: `118 held`, `39 due`; nothing where there is no more. */
export function beside(
  queues: readonly QueueRow[],
  held: Pick<HeldRead, "data" | "marks"> | undefined,
): string {
  const due = queues.reduce((sum, one) => sum + one.due, 0);
  const kept = queues.reduce((sum, one) => sum + heldIn(one, held), 0);
  return [kept > 0 ? `${count(kept)} held` : "", due > kept ? `${count(due - kept)} due` : ""]
    .filter(Boolean)
    .join(" + ");
}

export interface Forecast {
  /** Tasks a minute that would start. */
  outPerMinute: number;
  /** null: never. */
  emptyInSeconds: number | null;
}

/** Return why nothing can be foretold of a queue; nothing where something can. */
export function standingStill(queue: QueueRow): string {
  if (queue.mark !== null) return "It is held back: nothing is foretold until it is let go again.";
  if (queue.isUnheard) return "Workers are not heard now: nothing is foretold.";
  if (queue.consumers > 0 && queue.active_consumers === 0)
    return "Its workers take no tasks: nothing is foretold until one of them takes tasks again.";
  return queue.consumers === 0 ? "Nobody consumes it: nothing is foretold until somebody does." : "";
}

/** Return what would become of a queue if so many tasks of it ran at once, each as long as they took of late. The
 * workers are taken to be kept busy by this queue alone. null: it is not known how long they take. */
export function whatIf(
  queue: Pick<QueueRow, "waiting" | "in_per_minute">,
  atOnce: number,
  meanSeconds: number | null,
): Forecast | null {
  if (meanSeconds === null || meanSeconds <= 0 || queue.waiting === null) return null;
  const outPerMinute = (atOnce * 60) / meanSeconds;
  const gain = outPerMinute - queue.in_per_minute;
  if (queue.waiting === 0) return { outPerMinute, emptyInSeconds: gain >= 0 ? 0 : null };
  return { outPerMinute, emptyInSeconds: gain > 0 ? (queue.waiting / gain) * 60 : null };
}

/** Return the forecast as a sentence. */
export function sentenceOfForecast(forecast: Forecast, atOnce: number): string {
  const with_ = `With ${plural(atOnce, "task")} at once`;
  const out = `up to ${rate(forecast.outPerMinute)} would start`;
  if (forecast.emptyInSeconds === null) return `${with_}, ${out}: fewer than come, so it would grow.`;
  if (forecast.emptyInSeconds === 0) return `${with_}, ${out}: more than come, so it would stay empty.`;
  return `${with_}, ${out}: empty in ${about(forecast.emptyInSeconds)}.`;
}
