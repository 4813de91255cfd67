// How all tasks, or those of a queue or a name, have ended: bars over a while, each of which leads to its tasks.
import { useData } from "../api/query.ts";
import type { Gap, Page as Rows, Trends } from "../api/types.ts";
import { count } from "../logic/format.ts";
import { unheardOf } from "../logic/system.ts";
import { Bars } from "./bars.tsx";

const ENDS = ["completed", "cancelled", "failed"] as const;

/** Read the stretches of the last hours that were not heard; a page that reads them at first spares the bars the wait. */
export const useGaps = (hours: number) =>
  useData<Rows<Gap>>("/mirror/gaps", { query: { after: `-${hours}h`, rows: "data" }, every: 60_000 });

/** Draws the ends of these tasks, in steps of so many milliseconds. `of`: which tasks, as the list of tasks takes it. */
export function EndedBars({
  trends: { series },
  of,
  hours,
  step,
  height = 120,
}: {
  trends: Trends;
  of: Record<string, string>;
  hours: number;
  step: number;
  height?: number;
}) {
  const gaps = useGaps(hours);
  const times = series.map((one) => Date.parse(one.bucket));
  const all = (end: (typeof ENDS)[number]) => count(series.reduce((sum, one) => sum + one[end], 0));
  const whole = hours === 1 ? "the last hour" : `${hours} hours`;
  return (
    <Bars
      times={times}
      step={step}
      height={height}
      whole={whole}
      sentence={`${all("completed")} completed, ${all("failed")} failed and ${all("cancelled")} cancelled in ${whole}.`}
      gaps={unheardOf(gaps.value?.data ?? [])}
      series={ENDS.map((end) => ({ label: end, tone: end, values: series.map((one) => one[end]) }))}
      pathOf={(index) =>
        `/tasks?${new URLSearchParams({
          ...of,
          completed_after: new Date(times[index]!).toISOString(),
          completed_before: new Date(times[index]! + step).toISOString(),
        })}`
      }
    />
  );
}
