// Whether a task was replayed, as what, and what became of that. Pure.
import type { Timeline, TimelineEvent } from "../pages/task/types.ts";
import { type Clock, count, time } from "./format.ts";
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

/** Return how many replays there were before the newest: `and 2 before`; nothing for none. */
export const othersOf = (ids: readonly string[]): string =>
  ids.length > 1 ? `and ${count(ids.length - 1)} before` : "";
