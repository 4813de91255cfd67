// What somebody writes as JSON: where it goes wrong, and what it would do. Pure.
import { parseExact } from "../api/json.ts";

export interface Parsed {
  value?: unknown;
  /** What is wrong, in words, and where. */
  problem?: string;
  line?: number;
  column?: number;
}

/** Read a text that is being written; `kind` says what has to come out. An empty one stands for an empty value. */
export function parseDraft(text: string, kind: "array" | "object" | "any" = "any"): Parsed {
  if (text.trim() === "" && kind !== "any") return { value: kind === "array" ? [] : {} };
  let value: unknown;
  try {
    value = parseExact(text);
  } catch (error) {
    return { ...placeOf(String((error as Error).message), text), problem: wordsOf((error as Error).message) };
  }
  const isList = Array.isArray(value);
  const isObject = typeof value === "object" && value !== null && !isList;
  if (kind === "array" && !isList) return { problem: "This is to be a list: [ … ]" };
  if (kind === "object" && !isObject) return { problem: "This is to be an object: { … }" };
  return { value };
}

/** Browsers tell the place each in its own words. */
function placeOf(message: string, text: string): { line?: number; column?: number } {
  const told = message.match(/line (\d+) column (\d+)/);
  if (told) return { line: Number(told[1]), column: Number(told[2]) };
  const position = message.match(/position (\d+)/)?.[1];
  const isAtEnd = /end of (JSON|data|input)/i.test(message);
  if (position === undefined && !isAtEnd) return {};
  const before = text.slice(0, position === undefined ? text.length : Number(position)).split("\n");
  return { line: before.length, column: before.at(-1)!.length + 1 };
}

function wordsOf(message: string): string {
  const short = message
    .replace(/^JSON\.parse: /, "")
    .replace(/ in JSON at position.*$| \(line \d+ column \d+\)| at line \d+ column \d+ of the JSON data/g, "")
    .replace(/^(Unexpected token .*), ".*" is not valid JSON$/s, "$1");
  return short.length > 120 ? `${short.slice(0, 119)}…` : short;
}

interface DraftStep {
  id: string;
  task_name: string;
  depends_on: string[];
}

const MOST_DEPTH = 50;

/** Return the steps of a workflow that is being written, with those that they wait for; null where there are none. */
export function stepsOfDraft(value: unknown): DraftStep[] | null {
  const steps = (value as { steps?: unknown } | null)?.steps;
  if (!Array.isArray(steps) || steps.length === 0 || steps.length > 1_000) return null;
  const found: DraftStep[] = [];
  for (const step of steps as Record<string, unknown>[]) {
    if (typeof step?.id !== "string") return null;
    const named = Array.isArray(step.depends_on)
      ? step.depends_on.filter((id) => typeof id === "string")
      : [];
    const needed = new Set<string>(named);
    references([step.task_args, step.task_kwargs], needed, 0);
    found.push({ id: step.id, task_name: String(step.task_name ?? ""), depends_on: [...needed] });
  }
  return found;
}

/** `{"$result": "<step>"}` anywhere in the arguments stands for a result, and makes the step wait. */
function references(value: unknown, into: Set<string>, depth: number): void {
  if (typeof value !== "object" || value === null || depth > MOST_DEPTH) return;
  if (Array.isArray(value)) {
    for (const item of value) references(item, into, depth + 1);
    return;
  }
  const named = (value as Record<string, unknown>).$result;
  if (typeof named === "string") into.add(named);
  else for (const item of Object.values(value)) references(item, into, depth + 1);
}

/** Return the time of a `datetime-local` field as the API takes it; null for an empty one. */
export function timeOfField(text: string, isUtc: boolean): string | null {
  if (!text) return null;
  const time = new Date(isUtc ? `${text}Z` : text);
  return Number.isNaN(time.getTime()) ? null : time.toISOString();
}
