// Where what waits in a queue is going, from how much waited at two moments: never from rates of what has been. Pure.

/** How much waited from a moment on, in milliseconds, until the next was read. */
export interface Waited {
  at: number;
  waiting: number;
}

const MINUTE = 60_000;
/** Moments that are nearer to each other tell nothing. */
const LEAST = 10_000;

/** Return what is kept of a queue, with this as the newest: a minute, and what it began with. */
export function withNewest(before: readonly Waited[], newest: Waited): Waited[] {
  const all = [...before, newest];
  const first = all.findLastIndex((one) => newest.at - one.at >= MINUTE);
  return all.slice(Math.max(0, first));
}

/** Return how many more wait each minute, less than 0 where it falls; null until it is known. */
export function driftOf(kept: readonly Waited[], now: number): number | null {
  const first = kept.findLast((one) => now - one.at >= MINUTE) ?? kept[0];
  const last = kept.at(-1);
  if (!first || !last) return null;
  const lasted = Math.min(MINUTE, now - first.at);
  return lasted < LEAST ? null : ((last.waiting - first.waiting) * MINUTE) / lasted;
}
