// The story of a task as stretches of time, each with its cause: nothing between submission and end is left blank. Pure.
import type { Attempt, Task, TimelineEvent } from "../pages/task/types.ts";
import { duration, momentOf } from "./format.ts";
import type { Span } from "./idle.ts";
import type { Tone } from "./status.ts";

export interface Stretch {
  lane: string;
  from: number;
  to: number;
  tone: Tone;
  /** `wait` is hollow, `run` is solid, `pause` is dotted. */
  kind: "wait" | "run" | "pause";
  /** What happened in it, beside the bar. */
  text: string;
  isOpen?: boolean;
}

export interface Story {
  from: number;
  to: number;
  stretches: Stretch[];
}

const HOLLOW: Record<string, Tone> = {
  SUCCEEDED: "completed",
  FAILED: "failed",
  RETRIED: "failed",
  REVOKED: "cancelled",
};
const SAID: Record<string, string> = {
  SUCCEEDED: "completed",
  FAILED: "failed",
  RETRIED: "retried",
  REVOKED: "cancelled",
  LOST: "lost",
  REJECTED: "given back",
  REPLACED: "went on as another task",
  UNKNOWN: "over, and nobody told how",
};

const at = (text: string | null | undefined): number | null => (text ? momentOf(text) : null);

/** Return the stretches of a task, in the order in which they came. `now` ends what has not ended. */
export function storyOf(task: Task, events: readonly TimelineEvent[], now: number): Story {
  const begin = momentOf(task.created_at);
  const isOver = task.status !== "PENDING" && task.status !== "RUNNING";
  const end = at(task.completed_at) ?? (isOver ? (lastOf(task, events) ?? begin) : now);
  const stretches: Stretch[] = [];
  let here = begin;
  const due = at(task.scheduled_at);
  if (due !== null && due > begin) {
    const to = Math.min(due, end);
    stretches.push({
      lane: "scheduled",
      from: begin,
      to,
      tone: "scheduled",
      kind: "pause",
      text: `due after ${span(begin, due)}`,
      isOpen: due > now && !isOver,
    });
    here = to;
  }
  here = beforeFirst(task, events, here, end, isOver, stretches);
  const attempts = [...task.attempts].sort((a, b) => a.number - b.number);
  for (const [index, attempt] of attempts.entries()) {
    here = between(attempts[index - 1], attempt, here, events, end, stretches);
    here = ofAttempt(attempt, here, end, isOver, stretches);
  }
  const last = attempts.at(-1);
  if (last && end - here > 0 && !isOver) stretches.push(afterLast(last, here, end));
  return { from: begin, to: Math.max(end, begin + 1, ...stretches.map((one) => one.to)), stretches };
}

/** What the time of a story is kept for: all but pauses, in which neither a queue nor a worker had it. */
export const workOf = (told: Story): Span[] => told.stretches.filter((one) => one.kind !== "pause");

function lastOf(task: Task, events: readonly TimelineEvent[]): number | null {
  const times = [
    ...events.map((event) => at(event.timestamp)),
    ...task.attempts.map((attempt) => at(attempt.finished_at)),
  ];
  const known = times.filter((time): time is number => time !== null);
  return known.length > 0 ? Math.max(...known) : null;
}

/** From due to the first time that a worker had it: the outbox, then the queue. */
function beforeFirst(
  task: Task,
  events: readonly TimelineEvent[],
  from: number,
  end: number,
  isOver: boolean,
  into: Stretch[],
): number {
  const sent = events.find((event) => event.event_type === "dispatched");
  const first = [...task.attempts].sort((a, b) => a.number - b.number)[0];
  const received = at(first?.received_at) ?? at(first?.started_at);
  const sentAt = at(sent?.timestamp);
  const handed = sentAt ?? received;
  const outboxTo = Math.max(from, Math.min(handed ?? end, end));
  if (sentAt !== null || (handed === null && task.phase !== "queued")) {
    const isOpen = handed === null && !isOver;
    if (outboxTo > from || isOpen)
      into.push({
        lane: "outbox",
        from,
        to: outboxTo,
        tone: "waiting",
        kind: "wait",
        text: isOpen ? "not handed to the broker yet" : span(from, outboxTo),
        isOpen,
      });
  }
  if (handed === null) return outboxTo;
  const to = Math.max(outboxTo, Math.min(received ?? end, end));
  if (sentAt !== null && (to > outboxTo || received === null)) {
    const isOpen = received === null && !isOver;
    into.push({
      lane: "queue",
      from: outboxTo,
      to,
      tone: "waiting",
      kind: "wait",
      text: `${span(outboxTo, to)}${task.queue_name ? ` in ${task.queue_name}` : ""}`,
      isOpen,
    });
  }
  return to;
}

/** From the end of one attempt to the beginning of the next. A retry is often received at once and held by the worker
 * until its time: that is its back-off. What comes after its time, until it starts, is waiting for a worker. */
function between(
  before: Attempt | undefined,
  next: Attempt,
  here: number,
  events: readonly TimelineEvent[],
  end: number,
  into: Stretch[],
): number {
  const isRetry = before?.state === "RETRIED";
  const to = (isRetry ? at(next.started_at) : null) ?? at(next.received_at) ?? at(next.started_at);
  const due = isRetry ? dueOf(next, events) : null;
  if (due !== null)
    return backOff(due, here, at(next.started_at) ?? Math.min(Math.max(due, to ?? due), end), into);
  if (!before || to === null || to <= here) return here;
  const wasLost = before.state === "LOST";
  const again = events.some((event) => {
    const time = at(event.timestamp) ?? 0;
    return ["redelivered", "lost"].includes(event.event_type) && time >= here - 1000 && time <= to;
  });
  const cause = isRetry
    ? "back-off"
    : wasLost || again
      ? "put back"
      : before.state === "REJECTED"
        ? "given back"
        : "between";
  const text = {
    "back-off": `${span(here, to)} until the next try, with any wait for a worker`,
    "put back": `${span(here, to)} until it was proven lost and put back`,
    "given back": `${span(here, to)} in the queue again`,
    between: `${span(here, to)} until it was delivered again`,
  }[cause];
  into.push({ lane: cause, from: here, to, tone: wasLost ? "lost" : "scheduled", kind: "pause", text });
  return to;
}

/** Return when the message of a retry was due, as its worker told when it received it; null where nobody told. */
function dueOf(attempt: Attempt, events: readonly TimelineEvent[]): number | null {
  const received = at(attempt.received_at);
  const told = events.find((event) => event.event_type === "received" && at(event.timestamp) === received);
  const due = typeof told?.details.eta === "string" ? Date.parse(told.details.eta) : Number.NaN;
  return Number.isNaN(due) ? null : due;
}

/** The pause of a retry until it was due, and its wait for a worker after that. */
function backOff(due: number, from: number, to: number, into: Stretch[]): number {
  const until = Math.max(from, Math.min(due, to));
  if (until > from)
    into.push({
      lane: "back-off",
      from,
      to: until,
      tone: "scheduled",
      kind: "pause",
      text: `${span(from, until)} until it was due again`,
    });
  if (to > until)
    into.push({
      lane: "queue",
      from: until,
      to,
      tone: "waiting",
      kind: "wait",
      text: `${span(until, to)} waiting for a worker`,
    });
  return Math.max(from, to);
}

function ofAttempt(attempt: Attempt, here: number, end: number, isOver: boolean, into: Stretch[]): number {
  const lane = `#${attempt.number} ${attempt.worker_hostname ?? ""}`.trim();
  const received = at(attempt.received_at);
  const started = at(attempt.started_at);
  const finished = at(attempt.finished_at);
  const isDone = !["RECEIVED", "STARTED"].includes(attempt.state);
  const from = Math.max(received ?? started ?? here, here);
  const runFrom = Math.max(from, started ?? finished ?? (isDone ? from : end));
  const heldTo = runFrom;
  if (started === null && !isDone) {
    into.push({
      lane,
      from,
      to: heldTo,
      tone: "waiting",
      kind: "wait",
      text: `${span(from, heldTo)} reserved by the worker`,
      isOpen: !isOver,
    });
    return heldTo;
  }
  if (heldTo > from) {
    const text = heldTo - from < 50 ? "" : `${span(from, heldTo)} reserved`;
    into.push({ lane, from, to: heldTo, tone: "waiting", kind: "wait", text });
  }
  const to = Math.max(heldTo, finished ?? end);
  const said = isDone
    ? (SAID[attempt.state] ?? attempt.state.toLowerCase())
    : isOver
      ? "not told"
      : "running";
  const reason = attempt.exception && attempt.state !== "SUCCEEDED" ? `: ${nameOf(attempt.exception)}` : "";
  const tone: Tone = isDone ? (HOLLOW[attempt.state] ?? "lost") : "running";
  into.push({
    lane,
    from: heldTo,
    to,
    tone,
    kind: "run",
    // When it was lost is not known, only when that was proven.
    text:
      attempt.state === "LOST"
        ? `lost, after ${span(heldTo, to)} at most`
        : `${span(heldTo, to)} ${said}${reason}`,
    isOpen: !isDone && !isOver,
  });
  return to;
}

/** What it waits for after its last attempt, as long as it has not ended. */
function afterLast(last: Attempt, from: number, to: number): Stretch {
  const isRetry = last.state === "RETRIED";
  return {
    lane: isRetry ? "back-off" : "queue",
    from,
    to,
    tone: isRetry ? "scheduled" : "waiting",
    kind: isRetry ? "pause" : "wait",
    text: isRetry
      ? `${span(from, to)} until the next try, with any wait for a worker`
      : `${span(from, to)} waits for a worker again`,
    isOpen: true,
  };
}

const span = (from: number, to: number) => duration((to - from) / 1000);

/** `Timeout` of `Timeout('gateway did not answer')` or `Timeout: gateway…`. */
export function nameOf(exception: string): string {
  return (
    exception
      .match(/^[\w.]+/)?.[0]
      .split(".")
      .at(-1) ?? exception.slice(0, 40)
  );
}
