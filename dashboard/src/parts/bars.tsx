// Stacked bars over time, as SVG: for the first look. What needs zoom or many points is `chart.tsx`.
import { useState } from "preact/hooks";
import { count, hour } from "../logic/format.ts";
import type { Tone } from "../logic/status.ts";
import { go } from "../router.ts";
import { stillClock, zoneWord } from "./time.tsx";

export interface Series {
  label: string;
  tone: Tone;
  values: readonly number[];
}

/** `times` are the starts in milliseconds; `gaps` are stretches that were not heard; a bar leads to `pathOf(index)`. */
export function Bars({
  times,
  step,
  series,
  gaps = [],
  height = 120,
  pathOf,
  sentence,
  whole,
}: {
  times: readonly number[];
  step: number;
  series: readonly Series[];
  gaps?: readonly { from: number; to: number }[];
  height?: number;
  pathOf?: (index: number) => string;
  /** What the picture says, in words. */
  sentence: string;
  /** What the whole stretch is called: its sums are shown while no bar is marked. */
  whole: string;
}) {
  const [marked, setMarked] = useState<number | null>(null);
  const sums = times.map((_, index) => series.reduce((sum, one) => sum + (one.values[index] ?? 0), 0));
  const top = Math.max(1, ...sums);
  const bar = 100 / times.length;
  const scale = (value: number) => (value / top) * (height - 2);
  const x = (at: number) => Math.max(0, ((at - times[0]!) / (step * times.length)) * 100);
  const clock = stillClock();
  if (times.length === 0) return null;
  const said = (one: Series) =>
    marked === null ? one.values.reduce((sum, value) => sum + value, 0) : (one.values[marked] ?? 0);
  return (
    <figure class="bars">
      <svg height={height} role="img" aria-label={sentence} onMouseLeave={() => setMarked(null)}>
        <defs>
          <pattern
            id="hatch"
            width="4"
            height="4"
            patternUnits="userSpaceOnUse"
            patternTransform="rotate(45)"
          >
            <rect width="4" height="4" class="hatch-ground" />
            <rect width="1.5" height="4" class="hatch-line" />
          </pattern>
        </defs>
        {gaps.map((gap) => (
          <rect
            key={gap.from}
            class="not-heard"
            x={`${x(gap.from)}%`}
            width={`${Math.max(0.3, x(gap.to) - x(gap.from))}%`}
            y="0"
            height={height}
          />
        ))}
        {times.map((time, index) => {
          let y = height;
          const parts = series.map((one) => {
            const size = scale(one.values[index] ?? 0);
            if (size <= 0) return null;
            const shownSize = Math.max(1.5, size);
            y -= shownSize;
            return (
              <rect
                key={one.label}
                data-tone={one.tone}
                x={`${index * bar + bar * 0.1}%`}
                width={`${bar * 0.8}%`}
                y={y}
                height={shownSize}
              />
            );
          });
          return (
            <g key={time} data-marked={marked === index ? "" : undefined}>
              {parts}
              <rect
                class="hit"
                x={index * bar}
                width={bar}
                y="0"
                height={height}
                data-leads={pathOf ? "" : undefined}
                onMouseEnter={() => setMarked(index)}
                onClick={() => pathOf && go(pathOf(index))}
              />
            </g>
          );
        })}
      </svg>
      <figcaption>
        <span class="num muted">{hour(times[0]!, clock)}</span>
        <span class="bars-said num">
          <b>{marked === null ? whole : hour(times[marked]!, clock)}</b>
          {series.map((one) => (
            <span key={one.label} class="key" data-tone={one.tone}>
              {count(said(one))} {one.label}
            </span>
          ))}
        </span>
        <span class="num muted">
          {hour(Math.min(times.at(-1)! + step, Math.max(clock.now, times.at(-1)!)), clock)} {zoneWord.value}
        </span>
      </figcaption>
    </figure>
  );
}
