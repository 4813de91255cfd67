// What is to be said of queues: which needs a look first, how one is, and what more workers would change. Pure.
import type { QueueRow } from "../api/types.ts";
import { quoted } from "./curl.ts";
import { about, count, duration, NONE, plural } from "./format.ts";

/** Return how much a queue needs a look: nobody takes from it, it is held back, it grows, it waits. */
export function need(queue: QueueRow): number {
  const waiting = (queue.waiting ?? 0) + queue.due;
  const unserved = queue.active_consumers === 0 && waiting > 0 ? 1e15 : 0;
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

/** Whether something waits in it, and nobody is there who takes it. */
export const isUnserved = (queue: QueueRow) =>
  queue.active_consumers === 0 && (queue.waiting ?? 0) + queue.due > 0;

/** Return who takes from it, in a few words. */
export function takersOf(queue: Pick<QueueRow, "consumers" | "active_consumers">): string {
  const { consumers, active_consumers: active } = queue;
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
  return `${waitsAndDue(queues, since)}. Every queue in which something waits is consumed.`;
}

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

/** Return the sentence under the name of a queue. `heldBack`: what marks hold back of what is due in it. */
export function sentenceOfQueue(queue: QueueRow, now: number, heldBack: readonly HeldBack[] = []): string {
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
  if (queue.consumers === 0)
    return waiting === 0
      ? `Nobody consumes it, and nothing waits in it.${due}`
      : `Nobody consumes it: ${waits(waiting)}${since}.${due}`;
  if (waiting === 0) return `Nothing waits in it.${due}`;
  if (queue.active_consumers === 0)
    return `${queue.consumers === 1 ? "Its only worker takes" : `All ${count(queue.consumers)} workers that consume it take`} no tasks: ${waits(waiting)}${since}.${due}`;
  const course = courseOf(queue);
  if (course === "level")
    return `${waits(waiting)}${since}. About as many come as go: it holds its level.${due}`;
  if (course === "falls")
    return `${waits(waiting)}${since}. As it goes, it is empty in ${about(queue.empty_in_seconds)}.${due}`;
  if (course === "grows")
    return `${waits(waiting)}${since}, and more come than go: it grows by ${rate(queue.in_per_minute - queue.out_per_minute)}.${due}`;
  return `${waits(waiting)}${since}. Nothing of it has started within 5 minutes.${due}`;
}

export type Course = "empty" | "level" | "falls" | "grows" | "stuck" | "unknown";

/** In and out that differ by less than this share are the same: of so few minutes, the difference is chance. */
const TOLERANCE = 0.1;

/** Return where a queue is going, as it goes now: the one judgement behind every place that says it. */
export function courseOf(queue: QueueRow): Course {
  const { waiting, in_per_minute: come, out_per_minute: go } = queue;
  if (waiting === null) return "unknown";
  if (waiting === 0) return "empty";
  if (go > 0 && Math.abs(come - go) <= TOLERANCE * Math.max(come, go)) return "level";
  if (queue.empty_in_seconds !== null) return "falls";
  return come > go ? "grows" : "stuck";
}

/** When it will be empty, for a cell. */
export function emptyIn(queue: QueueRow): string {
  switch (courseOf(queue)) {
    case "level":
      return "holds its level";
    case "falls":
      return queue.empty_in_seconds! < 1 ? "< 1 s" : duration(Math.round(queue.empty_in_seconds!));
    case "grows":
      return "it grows";
    case "stuck":
      return "never";
    default:
      return NONE;
  }
}

export interface Forecast {
  /** Tasks a minute that would start. */
  outPerMinute: number;
  /** null: never. */
  emptyInSeconds: number | null;
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
