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

/** Return when it was due: when it was asked for, or later where that was asked for. */
export function dueOf<At extends string | null>(it: { created_at: At; scheduled_at?: string | null }) {
  const { created_at: made, scheduled_at: wanted } = it;
  return made && wanted && Date.parse(wanted) > Date.parse(made) ? wanted : made;
}

/** Return how long it waited, from when it was due until it started. */
export function waitOf(it: Timed, now: number): Length {
  const due = dueOf(it);
  if (it.started_at || it.status !== "PENDING") return { ...NOTHING, seconds: waitUntil(it.started_at, due) };
  return due && Date.parse(due) <= now ? soFar(due, now) : NOTHING;
}

/** Return how long it ran, at last where it ran several times. */
export function runOf(it: Timed, now: number): Length {
  const isRunning = it.status === "RUNNING" && (it.phase ?? "running") === "running";
  return isRunning && it.started_at
    ? soFar(it.started_at, now)
    : { ...NOTHING, seconds: it.duration_seconds };
}

/** Seconds from when something was due until it started. Two clocks tell of it, so what seems negative is nothing. */
export function waitUntil(started: string | null, due: string | null): number | null {
  const waited = between(due, started);
  return waited === null ? null : Math.max(0, waited);
}

/** In whole seconds, as the clock of the page counts. */
export const soFar = (from: string, now: number): Length => ({
  seconds: Math.max(0, Math.round((now - Date.parse(from)) / 1000)),
  isSoFar: true,
});
