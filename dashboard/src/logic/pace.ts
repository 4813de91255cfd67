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

/** Of less no rate is told: it would be said of a minute that was not counted. */
const LEAST = MINUTE - 10_000;

/** Return how many ended each second between the oldest and the newest; null until they are a minute apart. */
export function ratesOf(counted: readonly Counted[]): { done: number; failed: number } | null {
  const [first, last] = [counted[0], counted.at(-1)];
  if (!first || !last || last.at - first.at < LEAST) return null;
  const rate = (before: number, now: number) => (Math.max(0, now - before) * 1000) / (last.at - first.at);
  return { done: rate(first.done, last.done), failed: rate(first.failed, last.failed) };
}

/** How many end, a second, and how many of them fail; null is not known. */
export interface Ends {
  done: number | null;
  failed: number | null;
  failedPercent: number | null;
}

/** Return it as it is told of the last minute; while workers are not heard, nobody knows what ends. */
export function endsOf(
  told: { done_per_s: number | null; failed_per_s: number | null } | null,
  isHeard: boolean,
): Ends {
  const done = isHeard ? (told?.done_per_s ?? null) : null;
  const failed = isHeard ? (told?.failed_per_s ?? null) : null;
  const ended = (done ?? 0) + (failed ?? 0);
  return { done, failed, failedPercent: ended > 0 ? (100 * (failed ?? 0)) / ended : null };
}
