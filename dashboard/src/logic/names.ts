// What is to be said of the names of tasks: which of them nobody knows, which fail, and how the tasks of one fare. Pure.
import type { NameDetail, NameRow } from "../pages/names/types.ts";
import { count, duration, percent, plural } from "./format.ts";

const MANY_FAIL = 20;

/** Return how many of a hundred that ended failed; null where none has ended. */
export const failingOf = (one: Pick<NameRow, "completion_rate">): number | null =>
  one.completion_rate === null ? null : 100 - one.completion_rate;

const isUnknown = (one: NameRow) => one.known_by === 0 && one.submitted > 0;

/** Return the sentence over the list. */
export function sentenceOfNames(names: readonly NameRow[], window: string): string {
  if (names.length === 0) return "No name is known yet.";
  const unknown = names.filter(isUnknown);
  const parts: string[] = [];
  if (unknown.length === 1) parts.push(`No worker that is online knows ${unknown[0]!.task_name}.`);
  else if (unknown.length > 1)
    parts.push(`${count(unknown.length)} names that are submitted are known to no worker that is online.`);
  const ran = names
    .filter((one) => one.completed + one.failed > 0)
    .sort((a, b) => badnessOf(b) - badnessOf(a));
  const worst = ran[0];
  const slower = slowerOf(names);
  if (parts.length === 0 && slower.length === 0 && (!worst || (failingOf(worst) ?? 0) <= MANY_FAIL)) {
    if (!worst)
      return `${plural(names.length, "name is", "names are")} known; none of them ended a task ${window}.`;
    const most = worst.failed === 0 ? "none failed" : failsMost(worst);
    return `Tasks of ${plural(ran.length, "name")} ended ${window}; ${most}.`;
  }
  if (worst && worst.failed > 0) parts.push(`${whatFails(worst, ran)}.`);
  return [...parts, ...slower].join(" ");
}

/** How few runs say little of a name: as if so many more had completed. */
const DOUBT = 10;
const badnessOf = (one: NameRow) => one.failed / (one.completed + one.failed + DOUBT);

const failsMost = (worst: NameRow) =>
  `${worst.task_name ?? "what has no name"} fails most: ${percent(failingOf(worst))}`;

/** Return what is said of the worst beside others that fail much. */
function whatFails(worst: NameRow, ran: readonly NameRow[]): string {
  const many = ran.filter((one) => (failingOf(one) ?? 0) > MANY_FAIL);
  if (!many.includes(worst)) return failsMost(worst);
  const name = worst.task_name ?? "what has no name";
  return many.length === 1
    ? `${name} fails ${percent(failingOf(worst))} of the time`
    : `${count(many.length)} names fail more than ${MANY_FAIL} % of the time, ${name} most of all`;
}

/** Return the sentence on those that have become slower, if any has. */
function slowerOf(names: readonly NameRow[]): string[] {
  const slower = names.filter((one) => one.is_slower).sort((a, b) => growthOf(b) - growthOf(a));
  const most = slower[0];
  if (!most) return [];
  if (slower.length > 1)
    return [
      `${count(slower.length)} names take longer than in the hour before, ${most.task_name} most of all.`,
    ];
  const [now, then] = [most.last_hour, most.hour_before].map((runs) => duration(runs.p95_duration_seconds));
  return [
    `${most.task_name} takes longer: 95 % took ${now} or less in the last hour, ${then} in the one before.`,
  ];
}

const growthOf = (one: NameRow) =>
  (one.last_hour.p95_duration_seconds ?? 0) / (one.hour_before.p95_duration_seconds || 1e-6);

export const SORTS = ["busiest", "failing", "slowest", "name"] as const;
export type NameSort = (typeof SORTS)[number];

/** Return them in this order; those that no worker knows come first in any. */
export function sorted(names: readonly NameRow[], by: string): NameRow[] {
  const value = (one: NameRow): number => {
    if (by === "failing") return failingOf(one) ?? -1;
    if (by === "slowest") return one.p95_duration_seconds ?? -1;
    return by === "name" ? 0 : one.completed + one.failed + one.cancelled + one.submitted / 1e6;
  };
  return [...names].sort(
    (a, b) =>
      Number(isUnknown(b)) - Number(isUnknown(a)) ||
      value(b) - value(a) ||
      (a.task_name ?? "").localeCompare(b.task_name ?? "", "en", { numeric: true }),
  );
}

/** Return those whose name has these letters in it. */
export function found(names: readonly NameRow[], letters: string): NameRow[] {
  const wanted = letters.trim().toLowerCase();
  return wanted ? names.filter((one) => (one.task_name ?? "").toLowerCase().includes(wanted)) : [...names];
}

/** Return the sentence under a name. */
export function sentenceOfName(one: NameDetail): string {
  const strangers = one.workers.filter((worker) => !worker.knows);
  const online = one.workers.length;
  const ended = one.completed + one.failed;
  const how =
    ended === 0
      ? "None of its tasks has ended in these 24 hours."
      : `${plural(ended, "task")} ended in 24 hours, ${one.failed === 0 ? "and none failed" : `${percent(failingOf(one))} of them failed`}${
          one.p50_duration_seconds === null
            ? ""
            : `; half took less than ${duration(one.p50_duration_seconds)}`
        }.`;
  const slower = one.is_slower ? "Its runs take longer than in the hour before." : "";
  return [slower, knowledge(strangers, online), how].filter(Boolean).join(" ");
}

function knowledge(strangers: NameDetail["workers"], online: number): string {
  if (online === 0) return "No worker is online.";
  if (strangers.length === 0) return "";
  if (strangers.length === online)
    return "No worker that is online knows it: what is submitted is refused by whoever takes it.";
  const first = strangers[0]!.hostname;
  const more = strangers.length - 1;
  return `${first}${more > 0 ? ` and ${plural(more, "other worker")}` : ""} ${more > 0 ? "do" : "does"} not know it.`;
}
