// A chart on canvas, for pages that need many points or a brush. The library comes when the first one is drawn.
import { useEffect, useRef, useState } from "preact/hooks";
import type uPlot from "uplot";
import { duration, percent } from "../logic/format.ts";
import type { Measure } from "../logic/ticks.ts";
import { theme, zone } from "../settings.ts";

export interface ChartSeries {
  label: string;
  /** A custom property of `tokens.css`, e.g. `--mark-completed`. */
  color: string;
  values: readonly (number | null)[];
  isDashed?: boolean;
  fill?: boolean;
}

export interface ChartProps {
  /** Milliseconds. */
  times: readonly number[];
  series: readonly ChartSeries[];
  /** What all lines measure. */
  measure: Measure;
  /** What the picture says, in words. */
  sentence: string;
  height?: number;
  gaps?: readonly { from: number; to: number }[];
  /** A stretch that was drawn over with the mouse, in milliseconds. */
  onBrush?: (from: number, to: number) => void;
}

export function Chart(props: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const [isTable, setTable] = useState(false);
  const { times, series, height = 180 } = props;
  const look = `${theme.value} ${zone.value}`;
  useEffect(() => {
    if (isTable || !box.current || times.length === 0) return undefined;
    let plot: uPlot | undefined;
    let isGone = false;
    let watch: ResizeObserver | undefined;
    import("./plot.ts").then(({ draw }) => {
      if (isGone || !box.current) return;
      plot = draw(box.current, props, height);
      watch = new ResizeObserver(([entry]) => {
        const width = Math.floor(entry!.contentRect.width);
        if (plot && width > 0 && width !== plot.width) plot.setSize({ width, height });
      });
      watch.observe(box.current);
    });
    return () => {
      isGone = true;
      watch?.disconnect();
      plot?.destroy();
    };
  }, [times, series, isTable, height, look]);
  return (
    <figure class="chart">
      {isTable ? (
        <ChartTable {...props} />
      ) : (
        <div
          ref={box}
          class="chart-box"
          style={{ height: `${height}px` }}
          role="img"
          aria-label={props.sentence}
        />
      )}
      <figcaption>
        {series.map((one) => (
          <span
            key={one.label}
            class="key"
            data-dashed={one.isDashed ? "" : undefined}
            style={{ "--key": `var(${one.color})` }}
          >
            {one.label}
          </span>
        ))}
        <button type="button" class="link" onClick={() => setTable(!isTable)}>
          {isTable ? "Show as chart" : "Show as table"}
        </button>
      </figcaption>
    </figure>
  );
}

const WRITE = { percent, seconds: duration };

function ChartTable({ times, series, sentence, measure }: ChartProps) {
  return (
    <div class="chart-table" tabIndex={0} role="group" aria-label={sentence}>
      <table>
        <thead>
          <tr>
            <th scope="col">time</th>
            {series.map((one) => (
              <th key={one.label} scope="col">
                {one.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {times.map((time, index) => (
            <tr key={time}>
              <th scope="row" class="num">
                {new Date(time).toISOString().slice(0, 16).replace("T", " ")}
              </th>
              {series.map((one) => (
                <td key={one.label} class="num">
                  {WRITE[measure](one.values[index] ?? null)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
