// Figures: one number with its name, where it comes from, and how it went of late.
import type { ComponentChildren } from "preact";
import type { Tone } from "../logic/status.ts";

/** Small bars, oldest first, as many as `slots` says; what they say stands beside them in words. They are cut out of
 * one box: each pulse moves them, and only paints. Bars of their own would have the page laid out again every second. */
export function Sparkline({
  values,
  tone,
  slots = 0,
  width = 72,
  height = 20,
  title,
}: {
  values: readonly (number | null)[];
  tone?: Tone;
  slots?: number;
  width?: number;
  height?: number;
  /** Of how long it is. */
  title?: string;
}) {
  return (
    <span
      class="spark"
      title={title}
      data-tone={tone}
      style={{ width: `${width}px`, height: `${height}px` }}
      aria-hidden="true"
    >
      <i style={{ clipPath: barsOf(values, { places: Math.max(1, slots, values.length), width, height }) }} />
    </span>
  );
}

/** Return the outline of the bars: each goes up from the ground and down to it again. */
function barsOf(
  values: readonly (number | null)[],
  { places, width, height }: { places: number; width: number; height: number },
): string {
  const top = Math.max(1e-9, ...values.map((value) => value ?? 0));
  const step = width / places;
  const bar = Math.max(1, step - (step > 3 ? 1 : 0));
  const ground = height - 1;
  const points = values.flatMap((value, index) => {
    if (!value) return [];
    const left = (places - values.length + index) * step;
    const high = ground - Math.max(1.5, (value / top) * ground);
    const corners = [left, ground, left, high, left + bar, high, left + bar, ground];
    return corners.map((at) => `${Math.round(at * 100) / 100}px`);
  });
  const pairs = points.flatMap((x, index) => (index % 2 ? [] : [`${x} ${points[index + 1]}`]));
  return `polygon(${pairs.join(", ") || "0 0"})`;
}

/** A number with its name above and a line of what it is beside; with `to`, a link to what it counts. */
export function Figure({
  label,
  value,
  unit,
  note,
  to,
  tone,
  title,
  children,
}: {
  label: string;
  value: ComponentChildren;
  unit?: string;
  note?: ComponentChildren;
  to?: string;
  tone?: Tone;
  /** Of what time it is, where the note has no room for that. */
  title?: string;
  children?: ComponentChildren;
}) {
  const inside = (
    <>
      <span class="figure-label">{label}</span>
      <span class="figure-value num" data-tone={tone}>
        {value}
        {unit && <small> {unit}</small>}
      </span>
      {children}
      {note && <span class="figure-note">{note}</span>}
    </>
  );
  return to ? (
    <a class="figure" href={to} title={title}>
      {inside}
    </a>
  ) : (
    <div class="figure" title={title}>
      {inside}
    </div>
  );
}

/** A bar that is full at 1. */
export function Meter({ value, tone, label }: { value: number | null; tone?: Tone; label: string }) {
  const share = Math.max(0, Math.min(1, value ?? 0));
  return (
    <span class="meter" role="img" aria-label={label} data-tone={tone}>
      <i style={{ width: `${share * 100}%` }} />
    </span>
  );
}
