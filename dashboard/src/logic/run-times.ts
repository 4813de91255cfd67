// Whether the runs of a name take longer than they did: the last hour beside the hour before, in words. Pure.
import type { NameDetail, RunTimes } from "../pages/names/types.ts";
import { about, type Clock, duration, hour, plural } from "./format.ts";

/** Of fewer the 95th percentile is the longest of them; as in `domain/slowdowns.py`. */
const LEAST_RUNS = 20;

/** Return the sentence; `silence` is how many seconds of these two hours nothing was heard. */
export function sentenceOfRunTimes(
  it: Pick<NameDetail, "last_hour" | "hour_before" | "slower_since">,
  silence: number,
  clock: Clock,
): string {
  const unheard =
    silence > 0
      ? ` Nothing was heard for ${about(silence)} of these two hours: what ended then may be missing.`
      : "";
  const slower = it.slower_since ? `Slower since about ${hour(Date.parse(it.slower_since), clock)}: ` : "";
  return `${slower}${lastHour(it.last_hour, it.hour_before)}${unheard}`;
}

function lastHour(last: RunTimes, before: RunTimes): string {
  if (last.runs === 0)
    return before.runs === 0
      ? "None of its runs has ended in these two hours."
      : `None of its runs has ended in the last hour${hourBefore(before)}.`;
  if (last.p95_duration_seconds === null)
    return "How long its runs of the last hour took is not known: durations are counted by the minute only since Celeriac was updated.";
  if (last.runs >= LEAST_RUNS)
    return `${took(last)} in the last hour${hourBefore(before, duration(before.p95_duration_seconds))}.`;
  const few = `Only ${plural(last.runs, "run")} ended in the last hour, too few to say what 95 % take`;
  const half = duration(last.p50_duration_seconds);
  const these = last.runs === 1 ? `it took ${half}` : `half of them took ${half} or less`;
  return `${few}: ${these}${hourBefore(before)}.`;
}

/** What is added of the hour before; `p95` is what stands for it where the last hour has said what it is. */
function hourBefore(before: RunTimes, p95 = took(before)): string {
  if (before.runs === 0) return "; none ended in the hour before";
  if (before.p95_duration_seconds === null) return "; of the hour before it is not known";
  if (before.runs < LEAST_RUNS) return `; only ${before.runs} ended in the hour before, too few to compare`;
  return `; ${p95} in the hour before`;
}

const took = (runs: RunTimes): string => `95 % took ${duration(runs.p95_duration_seconds)} or less`;

/** By which buckets the run times of one name are told: those by the hour end at 48 of them. */
export const intervalOf = (hours: number): "minutely" | "hourly" | "daily" =>
  hours <= 6 ? "minutely" : hours <= 48 ? "hourly" : "daily";
