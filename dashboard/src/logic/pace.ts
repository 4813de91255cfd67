// How fast tasks end where nobody tells: from counts that are read one after another. Pure.

/** How many have ended at a moment, in milliseconds. */
export interface Counted {
  at: number;
  done: number;
  failed: number;
}

const MINUTE = 60_000;

/** Return what was counted in the last minute, with this as the newest. */
export const withinMinute = (before: readonly Counted[], newest: Counted): Counted[] => [
  ...before.filter((one) => newest.at - one.at <= MINUTE),
  newest,
];

/** Return how many ended each second between the oldest and the newest; null where there is but one. */
export function ratesOf(counted: readonly Counted[]): { done: number; failed: number } | null {
  const [first, last] = [counted[0], counted.at(-1)];
  if (!first || !last || last.at <= first.at) return null;
  const rate = (before: number, now: number) => (Math.max(0, now - before) * 1000) / (last.at - first.at);
  return { done: rate(first.done, last.done), failed: rate(first.failed, last.failed) };
}
