// The figures of the whole, each with how it was lately.
import { type Pulse, pulse, recent } from "../../api/live.ts";
import type { Stats, Trends } from "../../api/types.ts";
import { count, duration, NONE, percent, perMinute } from "../../logic/format.ts";
import { endsOf } from "../../logic/pace.ts";
import { Figure, Sparkline } from "../../parts/figure.tsx";
import { href } from "../../router.ts";
import { WORDS } from "./words.ts";

/** Of these whole minutes sparklines are drawn, where each is told. */
const MINUTES = 36;

/** How much waits, runs, ends and fails, how long tasks wait, and who is there. */
export function Vitals({
  stats,
  waiting,
  more,
  series,
  isHeard,
  drained,
}: {
  stats: Stats | undefined;
  waiting: number | null;
  /** What is there beside what waits. */
  more: string;
  series: Trends["series"] | undefined;
  isHeard: boolean;
  drained: number;
}) {
  const now = pulse.value;
  const rates = endsOf(now, isHeard);
  const minutes = series?.slice(-MINUTES - 1, -1) ?? [];
  const byMinute = (of: (minute: Trends["series"][number]) => number | null, tone?: "failed") => (
    <Sparkline slots={MINUTES} values={minutes.map(of)} tone={tone} title={WORDS.byMinute} />
  );
  const workers = now?.workers;
  const offline = (workers?.offline ?? 0) - drained;
  const all = stats?.total_workers ?? null;
  return (
    <div class="figures">
      <Figure
        label={WORDS.waiting}
        value={count(waiting ?? now?.waiting ?? (stats && stats.queue_depth - stats.undispatched))}
        unit={more ? `+ ${more}` : undefined}
        to={href("/queues")}
        note={stats?.queue_depth_source === "mirror" ? "as the mirror knows" : WORDS.bySecond}
      >
        <Seconds of={(one) => one.waiting} />
      </Figure>
      <Figure
        label={WORDS.running}
        value={count(now?.running)}
        to={href("/tasks", { status: "RUNNING" })}
        note={WORDS.bySecond}
      >
        <Seconds of={(one) => one.running} />
      </Figure>
      <Figure
        label={WORDS.completed}
        value={perMinute(rates.done)}
        note={WORDS.rates}
        to={href("/analytics")}
      >
        {byMinute((one) => one.completed)}
      </Figure>
      <Figure
        label={WORDS.failed}
        value={percent(rates.failedPercent)}
        note={WORDS.rates}
        to={href("/failures")}
        tone={(rates.failedPercent ?? 0) > 0 ? "failed" : undefined}
      >
        {byMinute((one) => one.failed, "failed")}
      </Figure>
      <Figure
        label={WORDS.wait}
        value={duration(now?.mean_wait)}
        title={WORDS.waits}
        note={WORDS.byMinute}
        to={href("/analytics")}
      >
        {byMinute((one) => one.average_wait_seconds)}
      </Figure>
      <Figure
        label={WORDS.workers}
        value={isHeard ? count(workers?.active ?? stats?.active_workers) : NONE}
        unit={all === null ? undefined : `of ${count(all)}`}
        to={href("/workers")}
        note={
          !isHeard
            ? WORDS.notHeard
            : [
                workers?.paused ? `${workers.paused} paused` : "",
                workers?.draining ? `${workers.draining} draining` : "",
                drained > 0 ? `${drained} drained` : "",
                offline > 0 ? `${offline} offline` : "",
              ]
                .filter(Boolean)
                .join(", ") || undefined
        }
      />
    </div>
  );
}

const SECONDS = 36;
/** Fewer bars of a second each say nothing, and look as if nothing had been before. */
const LEAST = 12;

/** The last seconds of what nobody has counted by the minute; their place is kept until there are enough of them. */
function Seconds({ of }: { of: (pulse: Pulse) => number | null }) {
  const last = recent.value.slice(-SECONDS);
  return (
    <Sparkline slots={SECONDS} values={last.length < LEAST ? [] : last.map(of)} title={WORDS.bySecond} />
  );
}
