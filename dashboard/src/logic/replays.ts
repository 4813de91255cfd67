// Whether a task was replayed, as what, and what became of that. Pure.
import type { Timeline, TimelineEvent } from "../pages/task/types.ts";
import { type Clock, count, time } from "./format.ts";
import { justAfter } from "./moments.ts";
import { lookOfTask } from "./status.ts";

/** How far a replay is, as `GET /tasks/states` tells it. */
export interface ReplayState {
  status: string;
  phase?: string;
  outcome?: string | null;
  completed_at: string | null;
}

/** Return the ids of the replays that a timeline names, the newest first. A key with limits is not told all of them. */
export function replaysOf(events: readonly TimelineEvent[]): string[] {
  const told = events
    .filter((event) => event.event_type === "replayed")
    .map((event) => event.details.new_task_id)
    .filter((id): id is string => typeof id === "string" && id !== "");
  return [...new Set(told)].reverse();
}

/** Return whether a task was replayed: `no` only where every event of it is known. */
export function wasReplayed(timeline: Timeline | undefined): "yes" | "no" | "unknown" {
  if (timeline?.events.some((event) => event.event_type === "replayed")) return "yes";
  return !timeline || timeline.events_left_out > 0 ? "unknown" : "no";
}

/** Return what became of a replay: `completed at 14:02:11.2`, `is running`; nothing while that is not known. */
export function becameOf(state: ReplayState | undefined, clock: Clock): string {
  if (!state) return "";
  const { word } = lookOfTask(state);
  if (state.status === "PENDING" || state.status === "RUNNING") return `is ${word}`;
  const at = state.completed_at ? ` at ${time(state.completed_at, clock)}` : "";
  return state.outcome === "unknown" ? `ended${at}, how is not known` : `${word}${at}`;
}

/** How often one of some tasks was run again, as `GET /tasks/replays` tells it. */
export interface ReplayCount {
  task_id: string;
  replays: number;
  last_replayed_at: string;
}

/** Return the warning before so many tasks are replayed of which these were before; nothing where none is known to be. */
export function sentenceOfReplayed(known: readonly ReplayCount[], all: number, clock: Clock): string {
  if (known.length === 0) return "";
  const last = known.map((one) => one.last_replayed_at).sort((a, b) => Date.parse(b) - Date.parse(a))[0];
  const who = known.length === all ? `All ${count(all)}` : `${count(known.length)} of them`;
  const were = known.length === 1 && all > 1 ? "was" : "were";
  const those = known.length === 1 ? "it" : "them";
  return `${who} ${were} replayed before, last at ${time(last, clock)}. A replay runs ${those} once more.`;
}

/** The times of the API have as many digits as they need: with all six they sort as text. */
const inMicros = (_: string, digits = "") => `.${digits.padEnd(6, "0")}Z`;

/** Return the address of the list of what a bulk replay has made: the replays of that moment. */
export function listOfMade(made: readonly { created_at: string }[]): string {
  const times = made.map((one) => one.created_at.replace(/(?:\.(\d+))?Z$/, inMicros)).sort();
  const query = { is_replay: "true", created_after: times[0]!, created_before: justAfter(times.at(-1)!) };
  return `/tasks?${new URLSearchParams(query)}`;
}

/** Return how many replays there were before the newest: `and 2 before`; nothing for none. */
export const othersOf = (ids: readonly string[]): string =>
  ids.length > 1 ? `and ${count(ids.length - 1)} before` : "";
