// What became of a task, in one sentence. Pure.
import type { Explanation, Task } from "../pages/task/types.ts";
import { about, between, type Clock, duration, hour, plural } from "./format.ts";
import { reasonOf, signatureOf } from "./holds.ts";
import { dueOf, waitUntil } from "./lengths.ts";
import { workOf } from "./marks.ts";
import { nameOfMarked } from "./system.ts";

/** `1st`, `2nd`, `3rd`, `11th`. */
export function ordinal(number: number): string {
  const tens = number % 100;
  const ending = tens >= 11 && tens <= 13 ? "th" : (["th", "st", "nd", "rd"][number % 10] ?? "th");
  return `${number}${ending}`;
}

const since = (from: string | null | undefined, now: number) =>
  from ? about(Math.max(0, (now - Date.parse(from)) / 1000)) : "a while";

/** Return when it first started, whatever attempt decided it. */
export function firstStart(task: Task): string | null {
  const first = task.attempts.find((attempt) => attempt.number === 1);
  return first?.started_at ?? task.started_at;
}

/** Return the sentence under a task's title. `why`: its explanation, as soon as it is known. */
export function sentenceOfTask(task: Task, clock: Clock, why?: Explanation): string {
  const now = clock.now;
  const attempts = task.attempts.length;
  const whole = duration(between(task.created_at, task.completed_at));
  if (task.outcome === "unknown") return "Its run is over, and nobody told how it went.";
  switch (task.status) {
    case "COMPLETED": {
      const waited = waitUntil(firstStart(task), dueOf(task));
      const parts = [
        waited !== null ? `waited ${duration(waited)}` : "",
        task.duration_seconds !== null ? `ran ${duration(task.duration_seconds)}` : "",
      ];
      const on = attempts > 1 ? ` on its ${ordinal(attempts)} attempt` : "";
      return `Completed${on} after ${whole}: ${parts.filter(Boolean).join(", ")}.`;
    }
    case "FAILED": {
      const on = attempts > 1 ? ` on its ${ordinal(attempts)} attempt` : "";
      const ran = duration(task.duration_seconds);
      const when =
        task.duration_seconds === null || ran === whole ? whole : `${ran}, ${whole} after it was submitted`;
      return `Failed${on} after ${when}${task.error ? `: ${firstLine(task.error)}` : "."}`;
    }
    case "CANCELLED":
      return task.started_at
        ? `Cancelled after it had run ${duration(task.duration_seconds ?? between(task.started_at, task.completed_at))}.`
        : "Cancelled before it started: it never ran.";
    case "RUNNING": {
      const on = task.worker_hostname ? ` on ${task.worker_hostname}` : "";
      const again = attempts > 1 ? `, on its ${ordinal(attempts)} attempt` : "";
      const gone = holdOf(task, why);
      if (gone) return `${gone.detail} It began ${since(task.started_at, now)} ago${again}.`;
      return `Running for ${since(task.started_at, now)}${on}${again}.${task.cancel_requested ? " A cancel was asked for." : ""}`;
    }
    default:
      return waits(task, clock, why);
  }
}

function waits(task: Task, clock: Clock, why: Explanation | undefined): string {
  const now = clock.now;
  const queue = task.queue_name ? ` in queue ${task.queue_name}` : "";
  if (task.cancel_requested) return "A cancel was asked for; its end is not proven yet.";
  const held = holdOf(task, why);
  if (held) return detailOf(held, clock);
  if (task.dispatch_refusal)
    return `The broker has refused it ${plural(task.dispatch_refusal.refusals, "time")}: ${task.dispatch_refusal.reason}`;
  switch (task.phase) {
    case "scheduled":
      return `Due in ${about((Date.parse(dueOf(task)) - now) / 1000)}.`;
    case "dispatching":
      // Whether that is as it should be is only known with the explanation.
      return `Due${why ? ", and not handed to the broker" : ""} for ${since(dueOf(task), now)}.`;
    case "reserved":
      return `Fetched by ${task.worker_hostname ?? "a worker"}, and not started for ${since(task.attempts.at(-1)?.received_at, now)}.`;
    case "retrying":
      return `Waits for its next try, after ${attempts(task)} failed.`;
    default:
      return `Waits${queue} for ${since(dueOf(task), now)}.`;
  }
}

const attempts = (task: Task) =>
  task.attempts.length === 1 ? "one attempt" : plural(task.attempts.length, "attempt");

const firstLine = (text: string) => {
  const line = text.split("\n", 1)[0]!;
  return line.length > 200 ? `${line.slice(0, 199)}…` : line.replace(/\.?$/, ".");
};

type Check = Explanation["checks"][number];

const isHold = (check: Check) => check.name === "marks" && check.state === "blocks";

/** Return what holds a task back, or that its worker is gone, where that is the sentence under its title. */
export const holdOf = (
  task: Pick<Task, "phase" | "cancel_requested">,
  why: Explanation | undefined,
): Check | undefined => {
  if (task.phase === "running") return why?.checks.find((check) => check.name === "runner");
  return task.phase === "dispatching" && !task.cancel_requested ? why?.checks.find(isHold) : undefined;
};

/** Return whose mark a check is of, in short: all of it is said under the title. */
export const shortOf = (check: Check): string =>
  check.name === "runner"
    ? "It shows no life."
    : `By the ${check.evidence.until === null ? "breaker" : "mark"} of ${nameOfMarked(String(check.evidence.service_name))}.`;

/** Return what is so, in a sentence; of a mark also since when and until when, by the clock of who reads it. */
export function detailOf(check: Check, clock: Clock): string {
  const { service_name: service, until, set_by_name: name, reason } = check.evidence;
  const who = typeof service === "string" ? workOf(service) : null;
  const end = typeof until === "string" ? Date.parse(until) : Number.NaN;
  if (!isHold(check) || who === null || !(end > clock.now)) return check.detail;
  const signature = signatureOf({ set_by_name: textOf(name), set_at: check.since }, clock);
  const left = `until ${hour(end, clock)} (for ${about((end - clock.now) / 1000)} more)`;
  return `Held back${signature}: ${who}, ${left}.${reasonOf({ reason: textOf(reason) })}`;
}

const textOf = (value: unknown): string | null => (typeof value === "string" ? value : null);

/** Return why the task does not run, in one sentence: what the API says, with the times of who reads it. */
export function verdictOf(why: Explanation, clock: Clock): string {
  const said = why.checks.find((check) => check.detail === why.verdict);
  return said ? detailOf(said, clock) : why.verdict;
}

/** Return an advice of the API as a person does it: without the request that does it. A link beside it leads there. */
export function adviceOf(action: string): string {
  const [said = ""] = action.split(/: (?:GET|POST|PUT|PATCH|DELETE) \//);
  return said === action ? action : `${said}.`;
}
