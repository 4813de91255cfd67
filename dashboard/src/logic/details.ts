// What an event of a task tells beside its name, in words. Pure.
import { type Clock, duration, time } from "./format.ts";

/** Words of the API that say less to a person than these. */
const WORDS: Record<string, string> = {
  worker_hostname: "on",
  dispatch_no: "dispatch",
  runtime: "ran",
  eta: "not before",
  new_task_id: "as",
  signal: "if it runs, with",
};

/** What says nothing: a cancel asks for SIGTERM in case that the task runs, also of one that never does. */
const USUAL: Readonly<Record<string, unknown>> = { signal: "SIGTERM", terminated: false, expired: false };

/** What names another task. */
const TASKS: ReadonlySet<string> = new Set(["new_task_id", "parent_id"]);

/** One thing that an event tells: `attempt`, `2`. */
export interface Detail {
  word: string;
  text: string;
  /** The text is the id of a task. */
  isTask: boolean;
}

/** Return the details of an event, each with its word: `on shop-1@host`, `attempt 2`, `ran 340 ms`. */
export function detailsOf(details: Readonly<Record<string, unknown>>, clock: Clock): Detail[] {
  const { worker_id: _, ...shown } = details;
  return Object.entries(shown)
    .filter(([name, value]) => value !== null && value !== "" && !(name in USUAL && USUAL[name] === value))
    .map(([name, value]) => ({
      word: WORDS[name] ?? name.replaceAll("_", " "),
      text: inWords(name, value, clock),
      isTask: TASKS.has(name) && typeof value === "string",
    }));
}

function inWords(name: string, value: unknown, clock: Clock): string {
  if (name === "runtime" && typeof value === "number") return duration(value);
  if (name === "eta" && typeof value === "string") return time(value, clock);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
