// A rule as a sentence.
import { percent, period, plural } from "../../logic/format.ts";

export interface Rule {
  type: string;
  severity: "CRITICAL" | "WARNING" | "INFO";
  enabled: boolean;
  threshold: number;
  unit: string;
  window_seconds: number | null;
  minimum_tasks: number | null;
  for_seconds: number;
  resolve_after_seconds: number;
  description: string;
  updated_at: string | null;
}

/** A value in the unit of its rule: `22 %`, `1,204 tasks`, `1 m 05 s`. */
export function measured(value: number, unit: string): string {
  if (unit === "percent") return percent(value);
  if (unit === "seconds") return period(value);
  return plural(
    value,
    unit.replace(/(es|s)$/, (end) => (unit === "addresses" ? "" : end.slice(1))),
    unit,
  );
}

/** `above 20 % of at least 20 tasks in 5 m, for 10 s`. */
export function whenRaised(rule: Rule): string {
  const side = rule.type === "NO_ACTIVE_WORKERS" ? "below" : "above";
  const least = rule.minimum_tasks === null ? "" : ` of at least ${plural(rule.minimum_tasks, "task")}`;
  const window = rule.window_seconds === null ? "" : ` in ${period(rule.window_seconds)}`;
  const held = rule.for_seconds > 0 ? `, for ${period(rule.for_seconds)}` : ", at once";
  return `${side} ${measured(rule.threshold, rule.unit)}${least}${window}${held}`;
}
