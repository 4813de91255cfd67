// How long runs took, hour by hour: the darker, the more of them. Its table says the same.
import { useState } from "preact/hooks";
import { count, duration, hour, plural } from "../../logic/format.ts";
import { stillClock, zoneWord } from "../../parts/time.tsx";
import { go } from "../../router.ts";
import { type Durations, type Heat, heatOf, shadeOf } from "./heat.ts";

export function HeatMap({ found, query }: { found: Durations; query: Record<string, string | null> }) {
  const [marked, setMarked] = useState<readonly [number, number] | null>(null);
  const [isTable, setTable] = useState(false);
  const heat = heatOf(found);
  const step = found.interval === "hourly" ? 3_600_000 : 86_400_000;
  if (heat.rows.length === 0) return <p class="muted">No run ended.</p>;
  const all = heat.rows.reduce((sum, row) => sum + row.counts.reduce((a, b) => a + b, 0), 0);
  const most = heat.rows.reduce((a, b) => (sum(b.counts) > sum(a.counts) ? b : a));
  const sentence = `${plural(all, "run")} ended; most took ${span(most.from, most.to)}.`;
  const clock = stillClock();
  const said = marked && heat.rows[marked[0]];
  const open = (row: number, column: number) => {
    const { from, to } = heat.rows[row]!;
    const start = heat.times[column]!;
    const taken = new URLSearchParams(
      Object.entries(query).filter((one): one is [string, string] => Boolean(one[1])),
    );
    taken.set("completed_after", new Date(start).toISOString());
    taken.set("completed_before", new Date(start + step).toISOString());
    taken.set("min_duration", String(from));
    taken.set("max_duration", String(to));
    go("/tasks", { query: taken });
  };
  return (
    <figure class="heat">
      {isTable ? (
        <HeatTable heat={heat} sentence={sentence} />
      ) : (
        <div class="heat-box">
          <div class="heat-axis num muted" aria-hidden="true">
            {heat.rows.map((row) => (
              <span key={row.to}>{duration(row.to)}</span>
            ))}
          </div>
          <div
            class="heat-cells"
            role="img"
            aria-label={sentence}
            style={{ "--columns": String(heat.times.length) }}
            onMouseLeave={() => setMarked(null)}
          >
            {heat.rows.flatMap((row, y) =>
              row.counts.map((value, x) => (
                <i
                  key={`${y} ${x}`}
                  data-shade={shadeOf(value, heat.top)}
                  onMouseEnter={() => setMarked([y, x])}
                  onClick={() => value > 0 && open(y, x)}
                />
              )),
            )}
          </div>
        </div>
      )}
      <figcaption>
        <span class="num muted">
          {hour(heat.times[0]!, clock)} –{" "}
          {hour(Math.min(heat.times.at(-1)! + step, Math.max(clock.now, heat.times.at(-1)!)), clock)}{" "}
          {zoneWord.value}
        </span>
        <span class="num">
          {said && marked
            ? `${hour(heat.times[marked[1]]!, clock)}: ${plural(said.counts[marked[1]] ?? 0, "run")} of ${span(said.from, said.to)}`
            : sentence}
        </span>
        <button type="button" class="link" onClick={() => setTable(!isTable)}>
          {isTable ? "Show as chart" : "Show as table"}
        </button>
      </figcaption>
    </figure>
  );
}

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
const span = (from: number, to: number): string => `${duration(from)} to ${duration(to)}`;

function HeatTable({ heat, sentence }: { heat: Heat; sentence: string }) {
  return (
    <div class="chart-table" tabIndex={0} role="group" aria-label={sentence}>
      <table>
        <thead>
          <tr>
            <th scope="col">took</th>
            <th scope="col">runs</th>
            <th scope="col">most in an hour or day</th>
          </tr>
        </thead>
        <tbody>
          {heat.rows.map((row) => (
            <tr key={row.to}>
              <th scope="row" class="num">
                {span(row.from, row.to)}
              </th>
              <td class="num">{count(sum(row.counts))}</td>
              <td class="num">{count(Math.max(...row.counts))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
