// What is to be said of the system's parts, of marks, and of stretches that were not heard. Pure.
import type { Gap, Health, Mark, Resilience } from "../api/types.ts";
import { about, count, plural } from "./format.ts";
import type { Look } from "./status.ts";

const PARTS: Record<string, { name: string; does: string; without: string }> = {
  database: {
    name: "Database",
    does: "Keeps every task and everything that is known of it.",
    without: "New tasks are refused, and what is shown is old.",
  },
  broker: {
    name: "Broker",
    does: "Carries tasks to workers.",
    without: "Submissions are accepted and wait. Nothing is lost.",
  },
  result_backend: {
    name: "Result backend",
    does: "Keeps what tasks return.",
    without: "Results come late.",
  },
  workers: { name: "Workers", does: "Run the tasks.", without: "Nothing starts. What is submitted waits." },
  mirror: {
    name: "Mirror",
    does: "Hears what workers tell.",
    without: "Tasks run, and what is shown is not updated.",
  },
  redis: {
    name: "Redis",
    does: "Carries orders and hints between processes.",
    without: "What is shown comes late.",
  },
  loops: {
    name: "Loops",
    does: "Hand tasks to the broker, look after lost ones, raise alerts.",
    without: "Nothing is handed to the broker.",
  },
};

/** Return how a part is called. */
export const nameOfPart = (part: string): string =>
  PARTS[part]?.name ?? part.replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase());

/** Whether nobody hears the workers, nor knows whether they are there. */
const areHidden = (down: readonly string[]): boolean => down.includes("broker") || down.includes("mirror");

/** Return what a part is for; where it is not there, what that means, as far as that is known while others are not there
 * either. */
export function meaningOf(part: string, status: string, down: readonly string[] = []): string {
  const known = PARTS[part];
  if (status === "unhealthy" && part === "workers" && areHidden(down))
    return "Not heard: whether they run is not known.";
  if (status === "unhealthy" && part === "mirror" && down.includes("broker"))
    return "What is shown is not updated.";
  return known ? (status === "unhealthy" ? known.without : known.does) : "";
}

const join = (names: readonly string[]): string =>
  names.length < 2 ? (names[0] ?? "") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;

/** Return the sentence over the page: what does not answer, what is marked, else that all is well. */
export function sentenceOfSystem(it: Resilience, health: Health | undefined, now: number): string {
  const parts = [...it.components, ...it.other_parts];
  const silent = parts.filter((part) => part.status === "unhealthy");
  const names = silent.map((part) => part.name);
  const down = silent.filter((part) => part.name !== "workers" || !areHidden(names));
  const unknown = parts.filter((part) => part.status === "unknown");
  const sentences: string[] = [];
  const first = down[0];
  if (first) {
    const since = about(Math.max(0, (now - Date.parse(first.since)) / 1000));
    sentences.push(
      down.length === 1
        ? `${nameOfPart(first.name)}: no answer for ${since}. ${meaningOf(first.name, "unhealthy")}`
        : `${join(down.map((part) => nameOfPart(part.name)))} do not answer. ${meaningOf(first.name, "unhealthy")}`,
    );
  }
  if (unknown.length > 0)
    sentences.push(
      `Nothing has been heard lately of ${join(unknown.map((part) => nameOfPart(part.name).toLowerCase()))}.`,
    );
  const isWhole = sentences.length === 0;
  const marks = it.degradation.marks.length;
  if (marks > 0)
    sentences.push(
      `${isWhole ? `All ${count(parts.length)} parts answer, and ` : ""}${plural(marks, "hold is", "holds are")} in force.`,
    );
  if (sentences.length > 0) return sentences.join(" ");
  if (health !== undefined && health.status !== "healthy")
    return "A part is down, and the API does its work all the same.";
  return `All ${count(parts.length)} parts answer, and nothing is held back.`;
}

/** What is amiss with the whole. */
export interface Standing {
  tone: "failed" | "waiting";
  text: string;
  /** Whether what is shown is older than it looks. */
  isOld: boolean;
  /** Since when, in milliseconds, where that is known. */
  since: number | null;
}

/** Return what is amiss; null while nothing is known to be. `lag`: seconds since a worker was heard. */
export function standingOf(
  health: Pick<Health, "status" | "checks"> | undefined,
  lag: number | null,
  now: number,
): Standing | null {
  if (health === undefined || health.status === "healthy") return null;
  if (health.status === "unhealthy")
    return {
      tone: "failed",
      text: "The database does not answer. Lists are old, and new tasks are refused.",
      isOld: true,
      since: null,
    };
  const parts = Object.keys(health.checks).filter((part) => health.checks[part] !== "healthy");
  const isDeaf = parts.includes("mirror");
  const isCut = parts.includes("broker");
  // Then nobody hears the workers, nor knows whether they are there; the mirror hears them through the broker.
  const amiss = parts.filter((part) => part !== "workers" || !(isDeaf || isCut));
  const [first] = isCut ? ["broker"] : isDeaf ? ["mirror"] : amiss;
  const still = isCut && isDeaf ? ` ${meaningOf("mirror", "unhealthy", parts)}` : "";
  const who = join(amiss.map(nameOfPart)) + (amiss.length === 1 ? ": no answer." : " do not answer.");
  return {
    tone: "waiting",
    text: first
      ? `${who} ${meaningOf(first, "unhealthy")}${still}`.trim()
      : "A part of the system does not do its work. Submissions are accepted and kept.",
    isOld: isDeaf,
    since: isDeaf && lag !== null ? now - lag * 1000 : null,
  };
}

const STRATEGIES: Record<string, string> = {
  queue_only: "new work is kept, and nothing is handed to the broker",
  return_cached: "reads are answered from the last good answer",
  fail_fast: "requests that need it are refused",
};

/** Return what a mark does. */
export const effectOf = (mark: Pick<Mark, "strategy">): string => STRATEGIES[mark.strategy] ?? mark.strategy;

const MARKED: Record<string, string> = {
  queue_only: "held back",
  return_cached: "old answers",
  fail_fast: "refused",
};

/** Return how what is marked is, in a word or two. */
export const wordOfMark = (mark: Pick<Mark, "strategy">): string =>
  MARKED[mark.strategy] ?? mark.strategy.replaceAll("_", " ");

/** Return how what is marked stands, at a glance. */
export const lookOfMark = (mark: Pick<Mark, "strategy">): Look =>
  mark.strategy === "queue_only"
    ? { word: "held back", tone: "waiting", shape: "paused" }
    : { word: "refuses", tone: "failed", shape: "cancelled" };

/** Return what is told of a part: of a mark on it in words. */
export const detailOf = (detail: string): string =>
  detail.replace(/^marked (\w+)$/, (_, strategy: string) => `marked: ${wordOfMark({ strategy })}`);

/** Return what a mark is on: `queue mail`, `tasks named pay`, or a part of the system. */
export function nameOfMarked(service: string): string {
  if (service.startsWith("queue:")) return `queue ${service.slice(6)}`;
  if (service.startsWith("task:")) return `tasks named ${service.slice(5)}`;
  return nameOfPart(service);
}

/** Return where a marked service is shown; null for a component. */
export function pathOfService(service: string): string | null {
  if (service.startsWith("queue:")) return `/queues/${encodeURIComponent(service.slice(6))}`;
  if (service.startsWith("task:")) return `/names/${encodeURIComponent(service.slice(5))}`;
  return null;
}

/** Return the stretches that were not heard, in milliseconds, as charts hatch them. */
export const unheardOf = (
  gaps: readonly Pick<Gap, "started_at" | "ended_at">[],
): { from: number; to: number }[] =>
  gaps.map((gap) => ({ from: Date.parse(gap.started_at), to: Date.parse(gap.ended_at) }));

/** Return how long was not heard within a window, each moment counted once, in seconds. */
export function silenceOf(
  gaps: readonly Pick<Gap, "started_at" | "ended_at">[],
  from: number,
  to: number,
): number {
  const spans = gaps
    .map(
      (gap) => [Math.max(from, Date.parse(gap.started_at)), Math.min(to, Date.parse(gap.ended_at))] as const,
    )
    .filter(([start, end]) => end > start)
    .sort((a, b) => a[0] - b[0]);
  let silent = 0;
  let until = from;
  for (const [start, end] of spans) {
    silent += Math.max(0, end - Math.max(start, until));
    until = Math.max(until, end);
  }
  return silent / 1000;
}

/** Return what the gaps of a day say. Since when anything was heard is not told, so that no gap is no proof of hearing. */
export function sentenceOfGaps(gaps: readonly Gap[], total: number, now: number): string {
  if (total === 0) return "No gap is known in the last 24 hours.";
  const seconds = silenceOf(gaps, now - 86_400_000, now);
  return `${plural(total, "stretch of the last 24 hours was", "stretches of the last 24 hours were")} not heard, ${about(seconds)} in all. Of tasks that were on their way then, some steps may be missing.`;
}
