// When what is shown is asked for again. Pure.

/** What is known of one read of the API. Moments are in milliseconds. */
export interface Asked {
  /** When it answered last. */
  at: number;
  /** How long that answer took. */
  tookMs: number;
  /** How often in a row it has failed. */
  failures: number;
  /** Before when it is not tried again, after it has failed. */
  retryAt: number;
  isStale: boolean;
  /** Milliseconds between two polls; 0 is none. */
  every: number;
}

export const POLL_MS = 5_000;
/** Between two answers, however fast hints come. */
export const LEAST_MS = 2_000;
/** How long a hint may wait, however long the last answer took, and how long an answer is waited for. */
export const MOST_MS = 30_000;
const BACK_OFF_MS = [5_000, 10_000, 20_000, 30_000];
/** What is asked for is given this share of the time at most. */
const SHARE = 10;

/** Return in how many milliseconds it is asked for again; null is only after a hint. `stretch` makes polls rare. */
export function waitOf(asked: Asked, now: number, stretch = 1): number | null {
  // Its moment was set when it failed: hints, however many, do not put it off.
  if (asked.failures > 0) return Math.max(0, asked.retryAt - now);
  const since = now - asked.at;
  if (asked.isStale) {
    const pause = Math.max(LEAST_MS, Math.min(MOST_MS, SHARE * asked.tookMs));
    return Math.max(0, pause * stretch - since);
  }
  return asked.every > 0 ? Math.max(LEAST_MS, asked.every * stretch - since) : null;
}

/** Return when what has failed so often in a row is tried again; `spread`, from 0 to 1, keeps pages apart. `told`: how
 * many seconds the API wants to be left alone. */
export function retryAt(
  failures: number,
  failedAt: number,
  { spread, told }: { spread: number; told: number | null },
): number {
  const pause = BACK_OFF_MS[Math.min(failures, BACK_OFF_MS.length) - 1] ?? 0;
  return failedAt + (told ?? 0) * 1_000 + pause * (0.8 + spread * 0.4);
}

/** Return the oldest of these that could not be asked again; undefined where all are as new as they should be. */
export const oldestFailed = <R extends { at: number; value: unknown; error: unknown }>(
  reads: readonly R[],
): R | undefined =>
  reads.filter((one) => one.error && one.value !== undefined).sort((one, other) => one.at - other.at)[0];

/** Return when what failed then is tried again, now that the API answers: at once, and not without end. */
export const retryBack = (failedAt: number): number => failedAt + LEAST_MS;
