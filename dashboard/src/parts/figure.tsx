// Figures: one number with its name, where it comes from, and how it went of late.
import type { ComponentChildren } from "preact";
import type { Tone } from "../logic/status.ts";

/** Small bars, oldest first, as many as `slots` says; what they say stands beside them in words. */
export function Sparkline({
  values,
  tone,
  slots = 0,
  width = 72,
  height = 20,
}: {
  values: readonly (number | null)[];
  tone?: Tone;
  slots?: number;
  width?: number;
  height?: number;
}) {
  const top = Math.max(1e-9, ...values.map((value) => value ?? 0));
  const places = Math.max(1, slots, values.length);
  const step = width / places;
  const before = places - values.length;
  const bar = Math.max(1, step - (step > 3 ? 1 : 0));
  return (
    <svg
      class="spark"
      data-tone={tone}
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      aria-hidden="true"
    >
      <line x1="0" x2={width} y1={height - 0.5} y2={height - 0.5} />
      {values.map((value, index) =>
        value ? (
          <rect
            key={index}
            x={(before + index) * step}
            width={bar}
            y={height - Math.max(1.5, (value / top) * (height - 1))}
            height={Math.max(1.5, (value / top) * (height - 1))}
          />
        ) : null,
      )}
    </svg>
  );
}

/** A number with its name above and a line of what it is beside; with `to`, a link to what it counts. */
export function Figure({
  label,
  value,
  unit,
  note,
  to,
  tone,
  children,
}: {
  label: string;
  value: ComponentChildren;
  unit?: string;
  note?: ComponentChildren;
  to?: string;
  tone?: Tone;
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
    <a class="figure" href={to}>
      {inside}
    </a>
  ) : (
    <div class="figure">{inside}</div>
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
