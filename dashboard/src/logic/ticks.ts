// What is written at the ticks of an axis: each says what its place is, with as many digits as tell it from the others.
// Pure.
import { period } from "./format.ts";

/** What an axis measures: how its ticks are written. */
export type Measure = "percent" | "seconds";

const MOST_DIGITS = 9;
const SECONDS: readonly (readonly [number, string])[] = [
  [1, " s"],
  [1e-3, " ms"],
  [1e-6, " µs"],
];
/** Steps between ticks that are round as people count time: 30 s, 5 m, 2 h. Below a minute they are as of any number. */
export const STEPS_OF_TIME: readonly number[] = [
  ...[-6, -5, -4, -3, -2, -1].flatMap((power) => [1, 2, 5].map((digit) => digit * 10 ** power)),
  ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200],
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000].map((days) => days * 86_400),
];

/** Return what is written at these places, which are those of one axis. */
export function ticksOf(values: readonly number[], measure: Measure): string[] {
  if (measure === "percent") return written(values, 1, " %");
  const top = Math.max(0, ...values.map(Math.abs));
  if (top >= 60) return values.map((value) => (value === 0 ? "0" : period(value)));
  const [scale, unit] = SECONDS.find(([size]) => top >= size) ?? SECONDS.at(-1)!;
  return written(values, scale, unit);
}

function written(values: readonly number[], scale: number, unit: string): string[] {
  const scaled = values.map((value) => value / scale);
  const digits = digitsOf(scaled);
  return scaled.map((value) => (value === 0 ? "0" : `${value.toFixed(digits)}${unit}`));
}

/** Return how many digits after the point all of them need, but for what is only the computer's arithmetic. */
function digitsOf(values: readonly number[]): number {
  for (let digits = 0; digits < MOST_DIGITS; digits += 1) {
    const power = 10 ** digits;
    const isWhole = (value: number) => Math.abs(value * power - Math.round(value * power)) < 1e-6;
    if (values.every(isWhole)) return digits;
  }
  return MOST_DIGITS;
}
