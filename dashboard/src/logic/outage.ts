// Which parts do not answer, and what cannot be known meanwhile. Pure.
import type { Health, Resilience } from "../api/types.ts";
import { about } from "./format.ts";
import { meaningOf } from "./system.ts";

/** The parts that do not answer, with since when, where that is known. */
export type Down = ReadonlyMap<string, string | null>;

/** In this order they are told: the first is most likely the cause. */
const ORDER = ["broker", "mirror", "redis", "result_backend", "loops", "workers"];

/** Return whether workers are heard while these parts do not answer: else nobody knows whether they are there. */
export const isHeard = (down: Iterable<string>): boolean => {
  const names = new Set(down);
  return !names.has("broker") && !names.has("mirror");
};

/** Return whether workers are heard, by what `/health` says. */
export const isHeardBy = (health: { checks?: Health["checks"] } | undefined): boolean =>
  isHeard(unwell(health?.checks));

const unwell = (checks: Health["checks"] = {}) =>
  Object.keys(checks).filter((name) => checks[name] !== "healthy");

/** Return the parts that are down, but for those that would be heard only through another of them. */
export function partsDown(it: {
  health?: { checks?: Health["checks"] };
  resilience?: Pick<Resilience, "components"> & Partial<Resilience>;
}): Down {
  const parts = [...(it.resilience?.components ?? []), ...(it.resilience?.other_parts ?? [])];
  const silent = parts.filter((part) => part.status === "unhealthy").map((part) => part.name);
  const names = new Set([...silent, ...unwell(it.health?.checks)]);
  if (!isHeard(names)) names.delete("workers");
  if (names.has("broker")) names.delete("mirror");
  const since = new Map(parts.map((part) => [part.name, part.since]));
  return new Map(ORDER.filter((name) => names.has(name)).map((name) => [name, since.get(name) ?? null]));
}

/** Return what is said of the parts that are down, the workers left out; nothing where none is. */
export function sentenceOfOutage(down: Down, now: number): string {
  const [first, ...more] = [...down.keys()].filter((name) => name !== "workers");
  if (!first) return "";
  const since = down.get(first);
  const verb = (isMany: boolean) => (since ? (isMany ? "have" : "has") : isMany ? "do" : "does");
  const what = since ? `not answered for ${about((now - Date.parse(since)) / 1000)}` : "not answer";
  const nor = more.length > 0 ? `, nor ${verb(isMany(more))} ${joined(more.map(called))}` : "";
  const who = called(first).replace(/^./, (letter) => letter.toUpperCase());
  return `${who} ${verb(isMany([first]))} ${what}${nor}. ${meaningOf(first, "unhealthy")}`;
}

/** Return what is said where no worker answers. `drained`: the last one, where it was told to go. */
export function sentenceOfNoWorker(down: Down, now: number, drained: string | null): string {
  const since = down.get("workers");
  const what = since ? `has answered for ${about((now - Date.parse(since)) / 1000)}` : "answers";
  const why = drained === null ? "" : `: ${drained}, the last one, was drained`;
  return `No worker ${what}${why}. ${meaningOf("workers", "unhealthy")}`;
}

const joined = (names: readonly string[]): string =>
  names.length === 1 ? names[0]! : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;

const called = (part: string): string => (part === "redis" ? "Redis" : `the ${part.replaceAll("_", " ")}`);
const isMany = (parts: readonly string[]): boolean => parts.length > 1 || parts[0] === "loops";
