// What was read of the API, kept and shown while it is read again. A hint of the stream, or a poll where there is no
// stream, marks it stale; what is on the screen is then asked for anew, the rest when it is shown.
import { effect, type Signal, signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { LEAST_MS, MOST_MS, POLL_MS, retryAt, retryBack, waitOf } from "../logic/asking.ts";
import { ask, awaySince, type Query, queryText, remaining } from "./client.ts";
import { ApiError } from "./errors.ts";

/** `live`: hints come. `polling`: they do not, so everything on the screen is asked for every few seconds. */
export const mode = signal<"live" | "polling" | "paused">("polling");
/** How many requests of the screen have been under way for longer than 300 ms. */
export const slow = signal(0);

export interface Read<T> {
  value: T | undefined;
  error: ApiError | undefined;
  /** When the value was read, in milliseconds. */
  at: number;
  /** How old the value was already when it came, in seconds; null if it was fresh. */
  age: number | null;
}

export interface Data<T> extends Read<T> {
  refresh: () => void;
}

export interface ReadOptions {
  query?: Query | URLSearchParams;
  /** Hints that make this stale: `tasks`, `task:ID`, `workers`, `alerts`, `queues`, `workflows`. */
  topics?: readonly string[];
  /** Milliseconds between two polls even with the stream; for what no topic tells. */
  every?: number;
}

interface Entry {
  key: string;
  path: string;
  query: string;
  state: Signal<Read<unknown>>;
  topics: Set<string>;
  users: number;
  every: number;
  tookMs: number;
  isStale: boolean;
  /** When a hint said last that it has changed. */
  hintedAt: number;
  timer: number | undefined;
  abort: AbortController | undefined;
  failures: number;
  failedAt: number;
  retryAt: number;
}

const KEPT = 150;
const entries = new Map<string, Entry>();
/** Topics that something on the screen waits for, each with how often. */
export const wanted = signal<ReadonlyMap<string, number>>(new Map());

/** Read a path of the API; null reads nothing. The component is drawn again when the answer changes. */
export function useData<T>(path: string | null, options: ReadOptions = {}): Data<T> {
  const text = queryText(options.query);
  const key = path === null ? null : `${path}?${text}`;
  const topics = options.topics?.join("\n") ?? "";
  const entry = useMemo(() => (key === null ? null : entryOf(key, path!, text)), [key]);
  useEffect(() => {
    if (entry === null) return undefined;
    return use(entry, topics ? topics.split("\n") : [], options.every ?? 0);
  }, [entry, topics, options.every]);
  const state = (entry?.state.value ?? NOTHING) as Read<T>;
  return { ...state, refresh: () => entry && load(entry) };
}

const NOTHING: Read<unknown> = { value: undefined, error: undefined, at: 0, age: null };

/** Return what is known of a path without asking. */
export function peek<T>(path: string, query?: Query | URLSearchParams): T | undefined {
  return entries.get(`${path}?${queryText(query)}`)?.state.value.value as T | undefined;
}

/** Mark what these topics concern as stale; `all` is everything. */
export function invalidate(topic: string | "all"): void {
  for (const entry of entries.values()) {
    if (topic !== "all" && !entry.topics.has(topic)) continue;
    entry.isStale = true;
    entry.hintedAt = Date.now();
    if (entry.users > 0) schedule(entry);
  }
}

/** Ask for everything on the screen again, now that somebody answers: also what would wait after it has failed. */
export function askAgain(): void {
  for (const entry of entries.values()) entry.retryAt = Math.min(entry.retryAt, retryBack(entry.failedAt));
  invalidate("all");
}

/** Show at once what became of an action of one's own, also while everything else stands still. */
export function renew(topic: string | "all"): void {
  for (const entry of entries.values()) {
    if (topic !== "all" && !entry.topics.has(topic)) continue;
    entry.isStale = true;
    if (entry.users > 0) load(entry);
  }
}

/** Ask for everything on the screen again, now. */
export const refreshScreen = (): void => renew("all");

function entryOf(key: string, path: string, query: string): Entry {
  const known = entries.get(key);
  if (known) {
    entries.delete(key);
    entries.set(key, known);
    return known;
  }
  const state = signal<Read<unknown>>({ ...NOTHING });
  const fresh = {
    users: 0,
    every: 0,
    tookMs: 0,
    isStale: true,
    hintedAt: 0,
    timer: undefined,
    abort: undefined,
    failures: 0,
    failedAt: 0,
    retryAt: 0,
  };
  const entry: Entry = { key, path, query, state, topics: new Set(), ...fresh };
  entries.set(key, entry);
  forgetOldest();
  // While its page is drawn for the first time, not once that is on the screen: a frame is what an answer takes.
  void load(entry);
  return entry;
}

function forgetOldest(): void {
  for (const [key, entry] of entries) {
    if (entries.size <= KEPT) return;
    if (entry.users === 0) entries.delete(key);
  }
}

function use(entry: Entry, topics: readonly string[], every: number): () => void {
  entry.users += 1;
  entry.every = every;
  for (const topic of topics) entry.topics.add(topic);
  want(topics, 1);
  const isOld = Date.now() - entry.state.value.at > (every || LEAST_MS);
  if (!entry.abort && (entry.isStale || isOld)) load(entry);
  else schedule(entry);
  return () => {
    entry.users -= 1;
    want(topics, -1);
    if (entry.users === 0) {
      clearTimeout(entry.timer);
      entry.timer = undefined;
      // Nobody hears hints for it any more.
      entry.isStale = true;
    }
  };
}

function want(topics: readonly string[], by: number): void {
  if (topics.length === 0) return;
  const next = new Map(wanted.peek());
  for (const topic of topics) {
    const count = (next.get(topic) ?? 0) + by;
    if (count > 0) next.set(topic, count);
    else next.delete(topic);
  }
  wanted.value = next;
}

/** When the entry is asked for next: soon if it is stale, else at its poll, else never. One that is under way is not
 * begun anew by a hint: it would never end where it takes longer than the next hint does. */
function schedule(entry: Entry): void {
  clearTimeout(entry.timer);
  entry.timer = undefined;
  if (entry.abort || entry.users === 0 || mode.peek() === "paused" || document.hidden) return;
  if (isInVain(entry)) return;
  // Near the end of what the rate limit lets through, polls become rare.
  const stretch = (remaining.peek() ?? 1_000) < 100 ? 6 : 1;
  const at = Math.max(entry.state.peek().at, entry.failedAt);
  const wait = waitOf({ ...entry, at, every: pollOf(entry) }, Date.now(), stretch);
  if (wait !== null) entry.timer = window.setTimeout(load, wait, entry);
}

/** What this version lacks does not come, and what was refused is asked for again only if something has changed. */
function isInVain(entry: Entry): boolean {
  const error = entry.state.peek().error;
  if (!error || error.isAbsent) return Boolean(error);
  return error.status >= 400 && error.status < 500 && error.status !== 429 && !entry.isStale;
}

function pollOf(entry: Entry): number {
  const polls = mode.peek() === "polling" && (entry.topics.size > 0 || entry.every > 0);
  return polls ? Math.max(POLL_MS, entry.every) : entry.every;
}

async function load(entry: Entry): Promise<void> {
  clearTimeout(entry.timer);
  entry.abort?.abort();
  const abort = (entry.abort = new AbortController());
  const started = performance.now();
  const before = entry.state.peek();
  entry.isStale = false;
  let isSlow = false;
  const slowly = setTimeout(() => {
    isSlow = true;
    slow.value += 1;
  }, 300);
  // A connection that is lost without a word would else be waited for without end.
  const late = setTimeout(() => abort.abort(new ApiError(0, {})), MOST_MS);
  try {
    const { value, age, sharedFor } = await ask<unknown>("GET", entry.path, {
      query: new URLSearchParams(entry.query),
      signal: abort.signal,
      mayBeShared: true,
    });
    // Made for another page before what the hint told of: once more, then.
    entry.isStale ||= sharedFor > 0 && Date.now() - sharedFor * 1_000 < entry.hintedAt;
    entry.failures = 0;
    entry.tookMs = performance.now() - started;
    const fresh = { value: merged(before.value, value), error: undefined, at: Date.now(), age };
    // As it was: nothing is drawn again, and only its time moves on.
    if (fresh.value === before.value && !before.error && age === before.age) before.at = fresh.at;
    else entry.state.value = fresh;
  } catch (error) {
    const isLate = abort.signal.reason instanceof ApiError;
    if (abort.signal.aborted && !isLate) return;
    const why = isLate ? abort.signal.reason : error;
    const known = why instanceof ApiError ? why : new ApiError(0, { detail: String(why) });
    entry.failures = known.isAway || known.status === 429 || known.status >= 500 ? entry.failures + 1 : 0;
    entry.failedAt = Date.now();
    entry.retryAt = retryAt(entry.failures, entry.failedAt, {
      spread: Math.random(),
      told: known.retryAfter,
    });
    entry.state.value = { ...entry.state.peek(), error: known };
    if (known.status === 401) signedOut.value += 1;
  } finally {
    clearTimeout(slowly);
    clearTimeout(late);
    if (isSlow) slow.value -= 1;
    if (entry.abort === abort) {
      entry.abort = undefined;
      schedule(entry);
    }
  }
}

/** Counts the reads that were refused for want of a sign-in. */
export const signedOut = signal(0);

/** Keep the old object where nothing has changed, so that nothing is drawn again. */
function merged(old: unknown, fresh: unknown): unknown {
  if (old === fresh || typeof old !== "object" || typeof fresh !== "object" || !old || !fresh) return fresh;
  if (Array.isArray(old) !== Array.isArray(fresh)) return fresh;
  const was = old as Record<string, unknown>;
  const is = fresh as Record<string, unknown>;
  const names = Object.keys(is);
  let isSame = names.length === Object.keys(was).length;
  for (const name of names) {
    is[name] = merged(was[name], is[name]);
    if (is[name] !== was[name] || !(name in was)) isSame = false;
  }
  return isSame ? old : fresh;
}

let wasAway = false;
effect(() => {
  const isAway = awaySince.value !== null;
  if (wasAway && !isAway) queueMicrotask(askAgain);
  wasAway = isAway;
});

let before = mode.peek();
let hasBeenLive = false;
effect(() => {
  const now = mode.value;
  const wasPaused = before === "paused";
  before = now;
  if (wasPaused && now !== "paused") refreshScreen();
  else if (now === "live" && hasBeenLive) askAgain();
  else for (const entry of entries.values()) if (entry.users > 0 && !entry.abort) schedule(entry);
  hasBeenLive ||= now === "live";
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    for (const entry of entries.values()) clearTimeout(entry.timer);
  } else if (mode.peek() !== "paused") {
    invalidate("all");
  }
});
