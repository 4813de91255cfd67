// uPlot as our charts use it. Loaded only by pages that draw one.
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { hour } from "../logic/format.ts";
import { STEPS_OF_TIME, ticksOf } from "../logic/ticks.ts";
import { zone } from "../settings.ts";
import type { ChartProps } from "./chart.tsx";

/** Draw a chart into a box. Its legend is ours, below: uPlot's own would be written as HTML. */
export function draw(box: HTMLElement, props: ChartProps, height: number): uPlot {
  const style = getComputedStyle(document.documentElement);
  const color = (name: string) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: color("--ink-3"),
    font: `11px ${style.getPropertyValue("--sans")}`,
    ticks: { show: false },
    grid: { stroke: color("--line"), width: 1 },
  };
  const { measure } = props;
  const options: uPlot.Options = {
    width: Math.max(200, Math.floor(box.clientWidth)),
    height,
    legend: { show: false },
    cursor: { drag: { x: Boolean(props.onBrush), y: false }, points: { size: 6 } },
    tzDate: zone.peek() === "utc" ? (at) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC") : undefined,
    scales: {
      x: { time: true },
      y: { range: (_, low, high) => [Math.min(0, low ?? 0), Math.max(high ?? 0, 1e-6) * 1.08] },
    },
    axes: [
      { ...axis, size: 28, space: 64, values: (_, splits) => splits.map(place) },
      {
        ...axis,
        size: 60,
        values: (_, values) => ticksOf(values, measure),
        ...(measure === "seconds" && { incrs: [...STEPS_OF_TIME] }),
      },
    ],
    series: [
      {},
      ...props.series.map((one) => ({
        label: one.label,
        stroke: color(one.color),
        width: 1.5,
        dash: one.isDashed ? [4, 4] : undefined,
        fill: one.fill ? `${color(one.color)}22` : undefined,
        points: { size: 4, filter: () => lonely(one.values) },
        spanGaps: false,
      })),
    ],
    hooks: {
      drawClear: [(plot) => drawGaps(plot, props, color("--line"))],
      setSelect: [(plot) => brush(plot, props)],
    },
  };
  const data = [props.times.map((at) => at / 1000), ...props.series.map((one) => [...one.values])];
  return new uPlot(options, data as uPlot.AlignedData, box);
}

/** `14:00`, and the day at its midnight, in the zone that was chosen. */
function place(at: number): string {
  const clock = { now: 0, zone: zone.peek() === "utc" ? "UTC" : undefined };
  const [day, month, , time] = /^(\d+) (\w+) (\d+ )?(.*)$/.exec(hour(at * 1000, clock))?.slice(1) ?? [];
  return time === "00:00" ? `${day} ${month}` : (time ?? "");
}

/** The places of values that have no neighbour, which a line would not show. */
function lonely(values: readonly (number | null)[]): number[] {
  const isNone = (at: number) => values[at] === null || values[at] === undefined;
  return [...values.keys()].filter((at) => !isNone(at) && isNone(at - 1) && isNone(at + 1));
}

function drawGaps(plot: uPlot, props: ChartProps, color: string): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = color;
  for (const gap of props.gaps ?? []) {
    const left = Math.max(bbox.left, plot.valToPos(gap.from / 1000, "x", true));
    const right = Math.min(bbox.left + bbox.width, plot.valToPos(gap.to / 1000, "x", true));
    ctx.beginPath();
    ctx.rect(left, bbox.top, Math.max(2, right - left), bbox.height);
    ctx.clip();
    for (let x = left - bbox.height; x < right; x += 8) {
      ctx.moveTo(x, bbox.top + bbox.height);
      ctx.lineTo(x + bbox.height, bbox.top);
    }
    ctx.stroke();
  }
  ctx.restore();
}

function brush(plot: uPlot, props: ChartProps): void {
  const { left, width } = plot.select;
  if (width < 4) return;
  props.onBrush?.(plot.posToVal(left, "x") * 1000, plot.posToVal(left + width, "x") * 1000);
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
}
