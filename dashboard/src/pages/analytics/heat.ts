// The heat map as numbers: which columns have anything, and how dark a cell is.

export interface Durations {
  since: string;
  until: string;
  interval: "hourly" | "daily";
  upper_seconds: number[];
  data: { bucket: string; counts: number[] }[];
}

export interface Heat {
  /** Longest durations first, as a person reads a chart. */
  rows: { from: number; to: number; counts: number[] }[];
  times: number[];
  top: number;
}

/** Return the rows of durations that occurred, without those beyond them. */
export function heatOf(found: Durations): Heat {
  const columns = found.upper_seconds.map((_, index) => found.data.map((row) => row.counts[index] ?? 0));
  const used = columns.map((counts) => counts.some((count) => count > 0));
  const first = used.indexOf(true);
  const last = used.lastIndexOf(true);
  const rows =
    first < 0
      ? []
      : columns.slice(first, last + 1).map((counts, index) => ({
          from: found.upper_seconds[first + index - 1] ?? 0,
          to: found.upper_seconds[first + index]!,
          counts,
        }));
  return {
    rows: rows.reverse(),
    times: found.data.map((row) => Date.parse(row.bucket)),
    top: Math.max(0, ...rows.flatMap((row) => row.counts)),
  };
}

/** How dark a cell is, from 0 to 5: each step is as much again as all before, so that few are seen beside many. */
export function shadeOf(count: number, top: number): number {
  if (count <= 0 || top <= 0) return 0;
  return Math.max(1, Math.ceil((5 * Math.log1p(count)) / Math.log1p(top)));
}
