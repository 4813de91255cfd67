// What is typed into the filter bar, as the parameters of the API, and back. Pure.
//
// `status:FAILED queue:payments created:-24h pay "order 17" -refund`: words with a colon are filters, the rest is searched.

import { nameOfPrincipal } from "./principals.ts";
import { lookOf } from "./status.ts";

export interface Filter {
  /** What stands before the colon. */
  word: string;
  /** The parameter of the API. */
  param: string;
  hint: string;
  /** What may stand after the colon, where that is a closed list. */
  values?: readonly string[];
  /** The field of `/search/suggestions`. */
  suggest?: string;
  many?: boolean;
}

export const FILTERS: readonly Filter[] = [
  {
    word: "status",
    param: "status",
    hint: "PENDING, RUNNING, COMPLETED, FAILED, CANCELLED",
    values: ["PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"],
    many: true,
  },
  {
    word: "phase",
    param: "phase",
    hint: "where it is: one that is not sent yet is due and not handed to the broker",
    values: ["scheduled", "dispatching", "queued", "reserved", "running", "retrying", "finished"],
  },
  { word: "queue", param: "queue_name", hint: "a queue", suggest: "queue_name" },
  { word: "name", param: "task_name", hint: "a task's name", suggest: "task_name" },
  { word: "worker", param: "worker_id", hint: "a worker's name or id", suggest: "worker" },
  { word: "error", param: "error", hint: "a part of the error", suggest: "error" },
  {
    word: "created",
    param: "created_after",
    hint: "-24h, -7d, a date",
    values: ["-1h", "-24h", "-7d", "-30d"],
  },
  { word: "before", param: "created_before", hint: "created before: -1h, a date" },
  {
    word: "ended",
    param: "completed_after",
    hint: "ended since: -1h, a date",
    values: ["-1h", "-24h", "-7d"],
  },
  { word: "endedbefore", param: "completed_before", hint: "ended before" },
  { word: "started", param: "started_after", hint: "started since", values: ["-1h", "-24h"] },
  { word: "startedbefore", param: "started_before", hint: "started before", values: ["-1h"] },
  {
    word: "longer",
    param: "min_duration",
    hint: "ran for at least so many seconds",
    values: ["1", "10", "60", "600"],
  },
  {
    word: "shorter",
    param: "max_duration",
    hint: "ran for at most so many seconds",
    values: ["1", "10", "60"],
  },
  {
    word: "priority",
    param: "priority",
    hint: "1 to 10",
    values: ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"],
  },
  { word: "atleast", param: "min_priority", hint: "priority at least" },
  { word: "workflow", param: "workflow_id", hint: "the id of a workflow" },
  {
    word: "replay",
    param: "is_replay",
    hint: "true: made by running another one again",
    values: ["true", "false"],
  },
  { word: "by", param: "submitted_by", hint: "who submitted it" },
  { word: "id", param: "task_id", hint: "the id of a task" },
];

const BY_WORD = new Map(FILTERS.map((filter) => [filter.word, filter]));
const BY_PARAM = new Map(FILTERS.map((filter) => [filter.param, filter]));

/** The parameters that choose tasks; everything else in the address is how they are shown. */
export const FILTER_PARAMS: readonly string[] = [...BY_PARAM.keys(), "search"];

export interface Token {
  param: string;
  word: string;
  value: string;
}

/** Split at spaces outside of quotes, which stay. */
function pieces(text: string): string[] {
  return text.match(/(?:[^\s"]|"[^"]*"?)+/g) ?? [];
}

const unquoted = (text: string) => text.replace(/^"|"$/g, "");

/** Return the filters of a text, and the words that are left to search for. */
export function parse(text: string): { tokens: Token[]; words: string } {
  const tokens: Token[] = [];
  const words: string[] = [];
  for (const piece of pieces(text)) {
    const colon = piece.indexOf(":");
    const filter = colon > 0 ? BY_WORD.get(piece.slice(0, colon).toLowerCase()) : undefined;
    const value = unquoted(piece.slice(colon + 1));
    if (filter && value)
      tokens.push({ param: filter.param, word: filter.word, value: fitted(filter, value) });
    else words.push(piece);
  }
  return { tokens, words: words.join(" ") };
}

function fitted(filter: Filter, value: string): string {
  return filter.param === "status" ? value.toUpperCase() : value;
}

/** Return the filters that an address has, in the order of the list. */
export function tokensOf(params: URLSearchParams): Token[] {
  return FILTERS.flatMap((filter) =>
    params.getAll(filter.param).map((value) => ({ param: filter.param, word: filter.word, value })),
  );
}

/** Return the parameters of the address that choose tasks, and nothing else. */
export function queryOf(params: URLSearchParams): URLSearchParams {
  const query = new URLSearchParams();
  for (const [name, value] of params) if (FILTER_PARAMS.includes(name) && value) query.append(name, value);
  return query;
}

/** Return what says whether a task that has gone on since it was listed is still one of those that were asked for: of
 * what was asked for, its status and its phase are told anew. */
export function stillFits(query: URLSearchParams): (row: { status: string; phase: string }) => boolean {
  const statuses = query.getAll("status");
  const phase = query.get("phase");
  return (row) => (statuses.length === 0 || statuses.includes(row.status)) && (!phase || phase === row.phase);
}

/** Return an address with one filter more; of most parameters there is one value. */
export function withToken(params: URLSearchParams, token: Token): URLSearchParams {
  const next = new URLSearchParams(params);
  if (BY_PARAM.get(token.param)?.many) {
    if (!next.getAll(token.param).includes(token.value)) next.append(token.param, token.value);
  } else next.set(token.param, token.value);
  return next;
}

/** Return an address without one filter. */
export function withoutToken(
  params: URLSearchParams,
  token: Pick<Token, "param" | "value">,
): URLSearchParams {
  const next = new URLSearchParams(params);
  const kept = next.getAll(token.param).filter((value) => value !== token.value);
  next.delete(token.param);
  for (const value of kept) next.append(token.param, value);
  return next;
}

/** Return what a stored filter is in an address. */
export function paramsOfFilters(filters: Record<string, unknown>): URLSearchParams {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(filters)) {
    if (value === null || value === undefined) continue;
    for (const item of Array.isArray(value) ? value : [value]) params.append(name, String(item));
  }
  return params;
}

/** Return an address as a stored filter: numbers are numbers, statuses a list. */
export function filtersOfParams(params: URLSearchParams): Record<string, unknown> {
  const filters: Record<string, unknown> = {};
  for (const [name, value] of queryOf(params)) {
    if (name === "status") filters.status = params.getAll("status");
    else if (["priority", "min_priority", "min_duration", "max_duration"].includes(name))
      filters[name] = Number(value);
    else if (name === "is_replay") filters[name] = value === "true";
    else filters[name] = value;
  }
  return filters;
}

const CHIPS: Record<string, string> = {
  created_after: "created after",
  created_before: "created before",
  completed_after: "ended after",
  completed_before: "ended before",
  started_after: "started after",
  started_before: "started before",
  min_duration: "ran at least",
  max_duration: "ran at most",
  min_priority: "priority at least",
  is_replay: "replays",
};

/** Return what a chip says of a filter, as one reads it: `ended after`, `24h ago`; `keys`: the names of keys by ids. */
export function chipOf(
  { param, word, value }: Token,
  keys?: ReadonlyMap<string, string>,
): { word: string; value: string } {
  if (param === "submitted_by") return { word: "submitted by", value: nameOfPrincipal(value, keys) };
  if (param === "phase") return { word, value: lookOf(value).word };
  if (/_(after|before)$/.test(param) && /^-\d+[a-z]$/.test(value))
    return { word: CHIPS[param] ?? word, value: `${value.slice(1, -1)} ${value.at(-1)} ago` };
  return { word: CHIPS[param] ?? word, value: param.endsWith("_duration") ? `${value} s` : value };
}

/** Return the text of a filter, quoted where it has spaces. */
export function textOf(token: Pick<Token, "word" | "value">): string {
  return `${token.word}:${/\s/.test(token.value) ? `"${token.value}"` : token.value}`;
}
