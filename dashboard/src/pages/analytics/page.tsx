// How it went: what ended, what failed, how long things waited and took, as a whole and by name and queue.

import { useMemo } from "preact/hooks";
import { queryText } from "../../api/client.ts";
import { useData } from "../../api/query.ts";
import type { Gap, Page as Rows, Trends } from "../../api/types.ts";
import { count, duration, percent, plural } from "../../logic/format.ts";
import { unheardOf } from "../../logic/system.ts";
import { Bars } from "../../parts/bars.tsx";
import { Chart } from "../../parts/chart.tsx";
import { CopyAs } from "../../parts/copy.tsx";
import { Figure } from "../../parts/figure.tsx";
import { Icon } from "../../parts/icons.tsx";
import { PageHead, type PageProps, Section } from "../../parts/page.tsx";
import { chosenHours, Range, rangeWords } from "../../parts/range.tsx";
import { Empty, none, Shown } from "../../parts/states.tsx";
import { go, href, params, setParams } from "../../router.ts";
import type { Durations } from "./heat.ts";
import { HeatMap } from "./heat-map.tsx";
import { type Choice, failingOf, Tables } from "./tables.tsx";
import { WORDS } from "./words.ts";
import "./page.css";

/** Minutes up to six hours, hours up to a week, then days. */
const intervalOf = (hours: number): string => (hours <= 6 ? "minutely" : hours <= 168 ? "hourly" : "daily");
const STEPS: Record<string, number> = { minutely: 60_000, hourly: 3_600_000, daily: 86_400_000 };

export default function Page(_props: PageProps) {
  const hours = chosenHours();
  const chosen = { task_name: params.value.get("task_name"), queue_name: params.value.get("queue_name") };
  const query = { hours, interval: intervalOf(hours), ...chosen };
  const trends = useData<Trends>("/analytics/trends", { query, topics: ["tasks"], every: 30_000 });
  const durations = useData<Durations>("/analytics/durations", {
    query: { hours, ...chosen },
    every: 60_000,
  });
  const gaps = useData<Rows<Gap>>("/mirror/gaps", { query: { after: `-${hours}h` }, every: 60_000 });
  const whole = trends.value && sumOf(trends.value);
  return (
    <>
      <PageHead title={WORDS.title} lead={whole && verdict(whole, hours, trends.value!)}>
        <CopyAs command={{ path: "/analytics/trends", query }} />
      </PageHead>
      <div class="analytics-bar">
        <Range label={WORDS.ranges} />
        <Chosen name="task_name" word="name" value={chosen.task_name} />
        <Chosen name="queue_name" word="queue" value={chosen.queue_name} />
      </div>
      {trends.value && <Finer trends={trends.value} />}
      <Shown data={trends} lines={8}>
        {(shown) =>
          whole!.submitted + whole!.ended === 0 ? (
            <Empty icon="inbox">
              <p>{WORDS.noneText}</p>
            </Empty>
          ) : (
            <Whole trends={shown} hours={hours} chosen={chosen} gaps={gaps.value?.data ?? []} />
          )
        }
      </Shown>
      {whole && whole.ended > 0 && (
        <Section title={WORDS.heat} note={hours <= 48 ? "by hour" : "by day"}>
          <Shown data={durations} quietAbsence>
            {(found) => <HeatMap found={found} query={chosen} />}
          </Shown>
        </Section>
      )}
      {trends.value && <Tables trends={trends.value} chosen={chosen} />}
    </>
  );
}

function Chosen({ name, word, value }: { name: string; word: string; value: string | null }) {
  if (value === null) return null;
  return (
    <button
      type="button"
      class="chip"
      aria-label={`Remove ${word} ${value}`}
      onClick={() => setParams({ [name]: null })}
    >
      <span class="muted">{word}</span> <span class="clip">{value}</span>
      <Icon name="close" />
    </button>
  );
}

/** Where all of it fell within one bar: the way to a closer look. */
function Finer({ trends }: { trends: Trends }) {
  const filled = trends.series.filter(
    (one) => one.submitted + one.completed + one.failed + one.cancelled > 0,
  );
  const [hours, whole, part] =
    trends.interval === "hourly"
      ? [1, "hour", "minute"]
      : trends.interval === "daily"
        ? [24, "day", "hour"]
        : [];
  if (filled.length !== 1 || !hours) return null;
  const query = new URLSearchParams(params.value);
  query.set("hours", String(hours));
  return (
    <p class="note">
      <Icon name="clock" />
      <span>
        All of it fell within one {whole}: <a href={href("/analytics", query)}>look at it by the {part}</a>.
      </span>
    </p>
  );
}

interface Sum {
  submitted: number;
  completed: number;
  failed: number;
  cancelled: number;
  ended: number;
}

function sumOf(trends: Trends): Sum {
  const all = (name: "submitted" | "completed" | "failed" | "cancelled") =>
    trends.series.reduce((sum, one) => sum + one[name], 0);
  const [completed, failed, cancelled] = [all("completed"), all("failed"), all("cancelled")];
  return { submitted: all("submitted"), completed, failed, cancelled, ended: completed + failed + cancelled };
}

function verdict(whole: Sum, hours: number, trends: Trends): string {
  const when = rangeWords(hours);
  if (whole.submitted + whole.ended === 0) return none(`${WORDS.none} in ${when}.`);
  const failing =
    trends.completion_rate === null
      ? "nothing has completed or failed"
      : whole.failed === 0
        ? "none of them failed"
        : `${percent(100 - trends.completion_rate)} of them failed`;
  const wait = trends.average_wait_time_seconds;
  const waited = wait === null ? "" : `, after ${duration(wait)} of waiting on average`;
  return `${plural(whole.ended, "task")} ended in ${when}, ${failing}${waited}.`;
}

function Whole({
  trends,
  hours,
  chosen,
  gaps,
}: {
  trends: Trends;
  hours: number;
  chosen: Choice;
  gaps: readonly Gap[];
}) {
  const whole = sumOf(trends);
  const step = STEPS[trends.interval] ?? STEPS.hourly!;
  const times = useMemo(() => trends.series.map((one) => Date.parse(one.bucket)), [trends]);
  const unheard = useMemo(() => unheardOf(gaps), [gaps]);
  const within = { ...chosen, completed_after: trends.since };
  const of = (name: "completed" | "failed" | "cancelled") => trends.series.map((one) => one[name]);
  const stretch = (from: number, to: number) =>
    `/tasks?${queryText({
      ...chosen,
      completed_after: new Date(from).toISOString(),
      completed_before: new Date(to).toISOString(),
    })}`;
  const note =
    trends.interval === "minutely" ? "by minute" : trends.interval === "hourly" ? "by hour" : "by day";
  return (
    <>
      <div class="figures">
        <Figure
          label="submitted"
          value={count(whole.submitted)}
          to={href("/tasks", { ...chosen, created_after: trends.since })}
        />
        <Figure
          label="completed"
          value={count(whole.completed)}
          to={href("/tasks", { ...within, status: "COMPLETED" })}
        />
        <Figure
          label="failed"
          value={count(whole.failed)}
          tone={whole.failed > 0 ? "failed" : undefined}
          to={href("/tasks", { ...within, status: "FAILED" })}
          note={trends.completion_rate === null ? undefined : percent(100 - trends.completion_rate)}
        />
        <Figure
          label="cancelled"
          value={count(whole.cancelled)}
          to={href("/tasks", { ...within, status: "CANCELLED" })}
        />
        <Figure label="mean wait" value={duration(trends.average_wait_time_seconds)} />
      </div>
      <Section title={WORDS.ended} note={note}>
        <Bars
          times={times}
          step={step}
          height={150}
          gaps={unheard}
          whole={rangeWords(hours)}
          sentence={`${plural(whole.ended, "task")} ended in ${rangeWords(hours)}, of which ${count(whole.failed)} failed.`}
          series={[
            { label: "completed", tone: "completed", values: of("completed") },
            { label: "cancelled", tone: "cancelled", values: of("cancelled") },
            { label: "failed", tone: "failed", values: of("failed") },
          ]}
          pathOf={(index) => stretch(times[index]!, times[index]! + step)}
        />
      </Section>
      <Section title={WORDS.share} note={note}>
        <Lines trends={trends} times={times} gaps={unheard} stretch={stretch} />
      </Section>
    </>
  );
}

function Lines({
  trends,
  times,
  gaps,
  stretch,
}: {
  trends: Trends;
  times: readonly number[];
  gaps: readonly { from: number; to: number }[];
  stretch: (from: number, to: number) => string;
}) {
  const failing = useMemo(
    () => [
      {
        label: "failing",
        color: "--mark-failed",
        fill: true,
        values: trends.series.map(failingOf),
      },
    ],
    [trends],
  );
  const lasting = useMemo(() => {
    const lines = [
      {
        label: "mean wait",
        color: "--mark-waiting",
        values: trends.series.map((one) => one.average_wait_seconds),
      },
      {
        label: "mean run",
        color: "--mark-running",
        values: trends.series.map((one) => one.average_duration_seconds),
      },
      {
        label: "95 % ran within",
        color: "--mark-scheduled",
        isDashed: true,
        values: trends.series.map((one) => one.p95_duration_seconds),
      },
    ];
    return lines.filter((line) => line.values.some((value) => value !== null));
  }, [trends]);
  const brush = (from: number, to: number) => go(stretch(from, to));
  return (
    <div class="columns">
      <Chart
        times={times}
        measure="percent"
        series={failing}
        gaps={gaps}
        height={160}
        onBrush={brush}
        sentence="How many percent of what ended failed."
      />
      {lasting.length > 0 && (
        <Chart
          times={times}
          measure="seconds"
          series={lasting}
          gaps={gaps}
          height={160}
          onBrush={brush}
          sentence="How long tasks waited and ran."
        />
      )}
    </div>
  );
}
