// The stretches of the last day in which the mirror could not hear: on one line of time, and one by one.
import { useData } from "../../api/query.ts";
import type { Gap, Page as Rows } from "../../api/types.ts";
import { count, duration, hour } from "../../logic/format.ts";
import { sentenceOfGaps } from "../../logic/system.ts";
import { Shown } from "../../parts/states.tsx";
import { stillClock, Time, zoneWord } from "../../parts/time.tsx";

const DAY = 86_400_000;
const WIDTH = 1000;
const LISTED = 10;

export function Gaps() {
  const gaps = useData<Rows<Gap>>("/mirror/gaps", {
    query: { after: "-24h", limit: 500, rows: "data" },
    every: 10_000,
  });
  return (
    <Shown data={gaps} lines={2}>
      {(shown) => <OfDay gaps={shown.data} total={shown.total} />}
    </Shown>
  );
}

function OfDay({ gaps, total }: { gaps: readonly Gap[]; total: number }) {
  const still = stillClock();
  const from = still.now - DAY;
  const x = (at: string) => Math.max(0, Math.min(WIDTH, ((Date.parse(at) - from) / DAY) * WIDTH));
  const sentence = sentenceOfGaps(gaps, total, still.now);
  const newest = [...gaps].sort((a, b) => b.started_at.localeCompare(a.started_at)).slice(0, LISTED);
  return (
    <div class="system-gaps">
      <p>{sentence}</p>
      <figure>
        <svg
          viewBox={`0 0 ${WIDTH} 16`}
          preserveAspectRatio="none"
          height="16"
          role="img"
          aria-label={sentence}
        >
          <rect class="system-heard" width={WIDTH} height="16" />
          {gaps.map((gap) => (
            <rect
              key={gap.gap_id}
              class="system-silent"
              x={x(gap.started_at)}
              width={Math.max(2, x(gap.ended_at) - x(gap.started_at))}
              height="16"
            />
          ))}
        </svg>
        <figcaption class="muted num">
          <span>{hour(from, still)}</span>
          <span>now, {zoneWord.value}</span>
        </figcaption>
      </figure>
      {newest.length > 0 && (
        <ul class="list">
          {newest.map((gap) => (
            <li key={gap.gap_id}>
              <Time at={gap.started_at} />
              <span class="num">{duration(gap.seconds)}</span>
              <span class="muted">{gap.source}</span>
            </li>
          ))}
          {total > newest.length && <li class="muted">and {count(total - newest.length)} before</li>}
        </ul>
      )}
    </div>
  );
}
