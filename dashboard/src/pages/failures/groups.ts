// What the page reads, and what it makes of it.
import type { ByWorker } from "../../logic/failing-workers.ts";

export interface Group {
  error: string;
  task_name: string | null;
  count: number;
  first_seen: string;
  last_seen: string;
  series: { bucket: string; count: number }[];
  /** What the newest says, in one line. */
  latest_error: string | null;
  sample_task_ids: string[];
  /** It began after `new_since`, and none like it had failed in the week before. */
  is_new: boolean;
  /** The minute in which the first failed, of one that is new. */
  first_failed_at: string | null;
  by_worker: ByWorker;
}

export interface Failures {
  since: string;
  until: string;
  interval: "hourly" | "daily";
  new_since: string;
  groups: Group[];
}

/** Return since when those fail that are new, or one of them; null where none is. */
export function newSince(found: Failures, groups: readonly Group[] = found.groups): number | null {
  const begun = groups
    .filter((one) => one.is_new)
    .map((one) => Date.parse(one.first_failed_at ?? found.new_since));
  return begun.length > 0 ? Math.min(...begun) : null;
}

const HOUR = 3_600_000;

/** Return the counts of every hour or day of the window, oldest first; the API names only those with failures. */
export function filled(found: Failures, group: Group): number[] {
  const step = found.interval === "hourly" ? HOUR : 24 * HOUR;
  const first = Date.parse(found.since);
  const places = Math.max(1, Math.ceil((Date.parse(found.until) - first) / step));
  const counts = new Array<number>(places).fill(0);
  for (const one of group.series) {
    const place = Math.floor((Date.parse(one.bucket) - first) / step);
    if (place >= 0 && place < places) counts[place]! += one.count;
  }
  return counts;
}

/** The filters of the tasks of a group. */
export function tasksOf(found: Failures, group: Group): Record<string, string> {
  return {
    status: "FAILED",
    error: group.error,
    ...(group.task_name === null ? {} : { task_name: group.task_name }),
    completed_after: found.since,
  };
}

/** Return what an error says beside its class: `no such order` of `ValueError: no such order`. */
export const withoutClass = (error: string, name: string): string =>
  error.startsWith(`${name}: `) ? error.slice(name.length + 2) : error;
