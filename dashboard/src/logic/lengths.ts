// How long a task waited and ran; of one that has not ended, so far. Pure.
import { between } from "./format.ts";

/** What is read of a task, of a workflow or of one of its steps. */
interface Timed {
  status: string;
  phase?: string;
  created_at: string | null;
  scheduled_at?: string | null;
  started_at: string | null;
  duration_seconds: number | null;
}

export interface Length {
  /** Null where it is not known, or has not begun. */
  seconds: number | null;
  /** It goes on. */
  isSoFar: boolean;
}

const NOTHING: Length = { seconds: null, isSoFar: false };

/** Return how long it waited, from when it was due until it started. */
export function waitOf(it: Timed, now: number): Length {
  const due = it.scheduled_at ?? it.created_at;
  if (it.started_at || it.status !== "PENDING") return { ...NOTHING, seconds: between(due, it.started_at) };
  return due && Date.parse(due) <= now ? soFar(due, now) : NOTHING;
}

/** Return how long it ran, at last where it ran several times. */
export function runOf(it: Timed, now: number): Length {
  const isRunning = it.status === "RUNNING" && (it.phase ?? "running") === "running";
  return isRunning && it.started_at
    ? soFar(it.started_at, now)
    : { ...NOTHING, seconds: it.duration_seconds };
}

/** In whole seconds, as the clock of the page counts. */
export const soFar = (from: string, now: number): Length => ({
  seconds: Math.max(0, Math.round((now - Date.parse(from)) / 1000)),
  isSoFar: true,
});
