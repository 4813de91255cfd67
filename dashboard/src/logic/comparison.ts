// Where two tasks first differ, in the order in which a task goes through its life. Pure.
import type { Comparison } from "../pages/compare/types.ts";
import { duration, plural } from "./format.ts";
import type { Difference } from "./patch.ts";

export interface Line {
  name: string;
  /** null: one of the two does not tell. */
  isSame: boolean | null;
  one: string;
  other: string;
}

interface Side {
  task_name: string | null;
  status: string;
  queue_name: string | null;
  priority: number | null;
  worker_hostname: string | null;
  retry_count: number;
}

/** Return what is compared, line by line. */
export function linesOf(it: Comparison, one: Side, other: Side): Line[] {
  const text = (value: string | number | null) => (value === null ? "not told by Celery" : String(value));
  const seconds = (value: number | null) => (value === null ? "–" : duration(value));
  const timing = it.timing;
  const near = (a: number | null, b: number | null) => (a === null || b === null ? null : isNear(a, b));
  return [
    line("name", it.same_function, text(one.task_name), text(other.task_name)),
    line("queue", it.same_queue, text(one.queue_name), text(other.queue_name)),
    line("priority", it.same_priority, text(one.priority), text(other.priority)),
    line(
      "waited",
      near(timing.task1_wait, timing.task2_wait),
      seconds(timing.task1_wait),
      seconds(timing.task2_wait),
    ),
    line("worker", it.same_worker, one.worker_hostname ?? "none yet", other.worker_hostname ?? "none yet"),
    line(
      "ran",
      near(timing.task1_duration, timing.task2_duration),
      seconds(timing.task1_duration),
      seconds(timing.task2_duration),
    ),
    line("retries", one.retry_count === other.retry_count, text(one.retry_count), text(other.retry_count)),
    line("status", it.same_status, one.status.toLowerCase(), other.status.toLowerCase()),
  ];
}

const line = (name: string, isSame: boolean | null, one: string, other: string): Line => ({
  name,
  isSame,
  one,
  other,
});

/** Times are never the same: alike is within a quarter, or 50 ms. */
const isNear = (a: number, b: number) => Math.abs(a - b) <= Math.max(0.05, 0.25 * Math.max(a, b));

/** Return the sentence that names the first difference. */
export function firstDifference(
  it: Comparison,
  lines: readonly Line[],
  changes: readonly Difference[],
): string {
  const of = (name: string) => lines.find((one) => one.name === name)!;
  if (of("name").isSame === false) return "They are different tasks: their names differ.";
  if (changes.length > 0) {
    const more = changes.length - 1;
    const rest = more > 0 ? `, and ${plural(more, "other argument differs", "other arguments differ")}` : "";
    return `First difference: the argument ${changes[0]!.path}${rest}.`;
  }
  const first = lines.find((one) => one.isSame === false);
  const alike = it.arguments === null ? "Celery does not tell all arguments" : "The arguments are the same";
  if (!first) return `${alike}, and nothing else differs.`;
  return `${alike}; first difference: ${first.name}, ${first.one} and ${first.other}.`;
}

export interface Moment {
  at: number;
  event: string;
}

/** How long after its beginning each event came; `from` says what both are aligned at. */
export function moments(
  events: readonly { timestamp: string; event_type: string }[],
  from: "submit" | "start",
): Moment[] {
  const start = events.find((event) => event.event_type === "started") ?? events[0];
  const origin = Date.parse((from === "start" ? start : events[0])?.timestamp ?? "");
  return events.map((event) => ({
    at: (Date.parse(event.timestamp) - origin) / 1000,
    event: event.event_type,
  }));
}

/** The place at which the two first tell different things; -1 if nowhere. */
export function divergence(one: readonly Moment[], other: readonly Moment[]): number {
  const longest = Math.max(one.length, other.length);
  for (let index = 0; index < longest; index += 1)
    if (one[index]?.event !== other[index]?.event) return index;
  return -1;
}
