// Whether failures are the fault of one worker: only where it has more of them than of the runs, in words. Pure.
import { count, percent } from "./format.ts";

export interface ByWorker {
  sampled: number;
  /** Tasks of the name that ended in the same stretch. */
  runs: number;
  workers: readonly { worker_id: string; hostname: string; count: number; runs: number }[];
}

/** A worker is named that has so much more of the failures than of the runs, and no less than a third of them. */
const CONSPICUOUS = 1.5;
const LEAST_SHARE = 1 / 3;
/** By chance a worker has so many standard deviations too many once in a hundred times or less. */
const BEYOND_CHANCE = 2.5;

/** Return how many standard deviations a worker has too many failures for what it ran. */
function excess(of: ByWorker["workers"][number], by: ByWorker): number {
  const share = by.runs > 0 ? Math.min(1, of.runs / by.runs) : 1;
  const spread = Math.sqrt(by.sampled * share * (1 - share));
  return spread > 0 ? (of.count - by.sampled * share) / spread : 0;
}

/**
 * Return what stands before and behind the name of the worker that has far more of `failures` than it has of the runs;
 * null where none has.
 */
export function whereSaid(
  by: ByWorker,
  failures: number,
): { before: string; worker: ByWorker["workers"][number]; behind: string } | null {
  const worker = [...by.workers].sort((a, b) => excess(b, by) - excess(a, by))[0];
  if (!worker || excess(worker, by) < BEYOND_CHANCE) return null;
  const failed = worker.count / by.sampled;
  const ran = worker.runs / by.runs;
  if (failed < Math.max(LEAST_SHARE, CONSPICUOUS * ran)) return null;
  const newest = by.sampled >= failures ? "" : `of the newest ${count(by.sampled)} `;
  const many = failed === 1 ? "all" : percent(100 * failed);
  return { before: `${newest}${many} on `, worker, behind: `, which ran ${percent(100 * ran)} of them all` };
}
