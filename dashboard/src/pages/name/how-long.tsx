// How long the runs of a name take, and how many fail, over a range that is chosen; a sentence says whether it got worse.
import { useMemo } from "preact/hooks";
import { queryText } from "../../api/client.ts";
import { useData } from "../../api/query.ts";
import type { Gap, Page as Rows, Trends } from "../../api/types.ts";
import { intervalOf, sentenceOfRunTimes } from "../../logic/run-times.ts";
import { silenceOf, unheardOf } from "../../logic/system.ts";
import { Chart } from "../../parts/chart.tsx";
import { Section } from "../../parts/page.tsx";
import { chosenHours, Range, rangeWords } from "../../parts/range.tsx";
import { Shown } from "../../parts/states.tsx";
import { stillClock } from "../../parts/time.tsx";
import { go } from "../../router.ts";
import type { NameDetail } from "../names/types.ts";
import { WORDS } from "./words.ts";

const COMPARED = 2;
const BY = { minutely: "by minute", hourly: "by hour", daily: "by day" };

export function HowLong({ it, name }: { it: NameDetail; name: string }) {
  const hours = chosenHours();
  const interval = intervalOf(hours);
  const trends = useData<Trends>("/analytics/trends", {
    query: { hours, interval, task_name: name },
    topics: ["tasks"],
    every: 30_000,
  });
  const gaps = useData<Rows<Gap>>("/mirror/gaps", {
    query: { after: `-${Math.max(hours, COMPARED)}h`, rows: "data" },
    every: 60_000,
  });
  const clock = stillClock();
  const silence = silenceOf(gaps.value?.data ?? [], clock.now - COMPARED * 3_600_000, clock.now);
  return (
    <Section title={WORDS.runTimes} note={BY[interval]} actions={<Range label={WORDS.ranges} />}>
      <p>{sentenceOfRunTimes(it, silence, clock)}</p>
      <Shown data={trends} lines={4}>
        {(shown) => <Lines trends={shown} name={name} gaps={gaps.value?.data} range={rangeWords(hours)} />}
      </Shown>
    </Section>
  );
}

const NONE: readonly Gap[] = [];

function Lines({
  trends,
  name,
  gaps = NONE,
  range,
}: {
  trends: Trends;
  name: string;
  gaps?: readonly Gap[];
  range: string;
}) {
  const { times, took, failing } = useMemo(() => linesOf(trends), [trends]);
  const unheard = useMemo(() => unheardOf(gaps), [gaps]);
  if (trends.series.every((one) => one.completed + one.failed === 0))
    return (
      <p class="muted">
        {WORDS.noRuns} {range}.
      </p>
    );
  const open = (from: number, to: number) =>
    go(
      `/tasks?${queryText({
        task_name: name,
        completed_after: new Date(from).toISOString(),
        completed_before: new Date(to).toISOString(),
      })}`,
    );
  const drawn = { times, gaps: unheard, height: 160, onBrush: open };
  return (
    <div class="columns">
      <Chart
        {...drawn}
        measure="seconds"
        series={took}
        sentence={`${WORDS.runTimes} in ${range}: half of them, and 95 %.`}
      />
      {trends.series.some((one) => one.failed > 0) && (
        <Chart
          {...drawn}
          measure="percent"
          series={failing}
          sentence={`How many percent of them failed in ${range}.`}
        />
      )}
    </div>
  );
}

function linesOf({ series }: Trends) {
  return {
    times: series.map((one) => Date.parse(one.bucket)),
    took: [
      {
        label: "half took",
        color: "--mark-running",
        values: series.map((one) => one.p50_duration_seconds),
      },
      {
        label: "95 % took",
        color: "--mark-scheduled",
        isDashed: true,
        values: series.map((one) => one.p95_duration_seconds),
      },
    ],
    failing: [
      {
        label: "failing, %",
        color: "--mark-failed",
        fill: true,
        values: series.map(({ completed, failed }) =>
          completed + failed > 0 ? (100 * failed) / (completed + failed) : null,
        ),
      },
    ],
  };
}
