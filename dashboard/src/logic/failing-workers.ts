// Whether failures are the fault of one worker: on which of them they happened, in words. Pure.
import { count, percent } from "./format.ts";

export interface ByWorker {
  sampled: number;
  worker_count: number;
  workers: readonly { worker_id: string; hostname: string; count: number }[];
}

/** From so much more than an even share on, and no less than a third, the worker with most is named. */
const CONSPICUOUS = 1.5;
const LEAST_SHARE = 1 / 3;

/**
 * Return what stands before and behind the name of the worker with most of `failures`; `worker` is null where none
 * stands out. Null where nobody knows. `online` is how many workers there are.
 */
export function whereSaid(
  by: ByWorker,
  failures: number,
  online: number | null,
): { before: string; worker: ByWorker["workers"][number] | null; behind: string } | null {
  const top = by.workers[0];
  if (!top) return null;
  const newest =
    by.sampled >= failures ? "" : by.sampled === 1 ? "the newest " : `of the newest ${count(by.sampled)} `;
  if (by.worker_count === 1) {
    const behind =
      online === 1
        ? ", the only worker"
        : online !== null && online > 1
          ? `, of ${count(online)} workers`
          : "";
    return { before: `${newest}${by.sampled > 1 ? "all " : ""}on `, worker: top, behind };
  }
  const of = online !== null && online >= by.worker_count ? ` of ${count(online)}` : "";
  const where = `${newest}on ${count(by.worker_count)}${of} workers`;
  const share = top.count / by.sampled;
  return share >= Math.max(LEAST_SHARE, CONSPICUOUS / by.worker_count)
    ? { before: `${where}, ${percent(100 * share)} on `, worker: top, behind: "" }
    : { before: `${where}, on none far more than on others`, worker: null, behind: "" };
}
