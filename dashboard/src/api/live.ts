// The stream of the dashboard: a pulse once a second, and hints of what has changed. One stream a browser: the tab that
// holds a Web Lock has it and tells the others. Where there is no stream, the pulse is made of polls.
import { batch, effect, signal } from "@preact/signals";
import { POLL_MS } from "../logic/asking.ts";
import { type Counted, ratesOf, withinMinute } from "../logic/pace.ts";
import { apiUrl, ask, awaySince } from "./client.ts";
import { ApiError } from "./errors.ts";
import { invalidate, mode, wanted } from "./query.ts";
import { isLimited, isOut, isToldOfAll, may, me, noteOut } from "./session.ts";
import type { Health, Stats } from "./types.ts";

/** The system at one moment; null is not known. */
export interface Pulse {
  at: string | null;
  waiting: number | null;
  due: number | null;
  held: number | null;
  /** The services whose marks hold back; `broker` while it does not answer. */
  held_by?: readonly string[];
  running: number | null;
  done_per_s: number | null;
  failed_per_s: number | null;
  mean_wait: number | null;
  workers: { active?: number; paused?: number; draining?: number; offline?: number } | null;
  alerts: { CRITICAL?: number; WARNING?: number } | null;
  health: Health["status"] | null;
  marks: number | null;
  mirror_lag: number | null;
  build: string | null;
}

export const pulse = signal<Pulse | null>(null);
/** When the last pulse came, in milliseconds. */
export const heardAt = signal(0);
/** The pulses of the last minute, oldest first: what sparklines draw. */
export const recent = signal<readonly Pulse[]>([]);
export const isPaused = signal(false);
/** Set once another build answers than the one this page came from. */
export const isOutdated = signal(false);

const RECENT = 90;
const SILENCE_MS = 5_000;
const RETRY_MS = 60_000;
const GENERAL = ["pulse", "tasks", "workers", "alerts", "queues", "workflows"];
/** What somebody is told of whose key is limited to queues or names. */
const LIMITED = ["tasks", "workflows"];
const MOST_TOPICS = 40;
const LOCK = "celeriac-stream";

let firstBuild: string | null = null;
let source: EventSource | undefined;
let sourceTopics = "";
let absentUntil = 0;
let release: (() => void) | undefined;
let isOwner = false;
const tab = Math.random().toString(36).slice(2);
const others = new Map<string, { topics: string[]; at: number }>();
const channel = "BroadcastChannel" in window ? new BroadcastChannel(LOCK) : undefined;

/** Begin to listen; once, when the page starts. */
export function startLive(): void {
  document.addEventListener("visibilitychange", follow);
  addEventListener("pagehide", () => channel?.postMessage({ kind: "gone", tab }));
  if (channel) channel.onmessage = (message) => hearTab(message.data);
  effect(() => {
    void wanted.value;
    tellWants();
    if (isOwner) open();
  });
  let who = me.peek()?.id;
  let wasIn = true;
  effect(() => {
    const now = me.value?.id;
    // Whoever signs in again is no other, and a stream that was refused is let in now.
    absentUntil = 0;
    const isIn = !isOut.value;
    if (now === who && isIn === wasIn) return;
    who = now;
    wasIn = isIn;
    queueMicrotask(follow);
  });
  setInterval(watch, 1_000);
  follow();
}

/** Stop or go on with everything that moves by itself. */
export function togglePause(): void {
  isPaused.value = !isPaused.value;
  mode.value = isPaused.value ? "paused" : "polling";
  follow();
}

/** Take or leave the stream, as this tab is seen or not. */
function follow(): void {
  // The stream tells only who may read.
  const isWanted = !document.hidden && !isPaused.peek() && !isOut.peek() && may("read");
  if (!isWanted) {
    close();
    release?.();
    release = undefined;
    return;
  }
  if (release || isOwner) return;
  if (!navigator.locks) {
    isOwner = true;
    open();
    return;
  }
  const abort = new AbortController();
  release = () => abort.abort();
  navigator.locks
    .request(LOCK, { signal: abort.signal }, () => {
      isOwner = true;
      channel?.postMessage({ kind: "who" });
      open();
      return new Promise<void>((resolve) => {
        release = () => {
          isOwner = false;
          resolve();
        };
      });
    })
    .catch(() => undefined);
}

function open(): void {
  const topics = allTopics();
  const text = topics.join(",");
  if (Date.now() < absentUntil || (source && text === sourceTopics)) return;
  source?.close();
  sourceTopics = text;
  const stream = (source = new EventSource(apiUrl("/live/stream", { topics: text })));
  const pass = (kind: string) => (event: MessageEvent) => {
    const message = { kind, text: String(event.data) };
    channel?.postMessage(message);
    hear(message);
  };
  stream.addEventListener("pulse", pass("pulse"));
  stream.addEventListener("changed", pass("changed"));
  stream.addEventListener("error", () => {
    // A closed one is not tried again by the browser: refused, or not there in this version.
    if (stream.readyState !== EventSource.CLOSED) return;
    absentUntil = Date.now() + RETRY_MS;
    if (source === stream) source = undefined;
  });
}

function close(): void {
  source?.close();
  source = undefined;
  isOwner = false;
}

function allTopics(): string[] {
  const now = Date.now();
  const single = new Set([...wanted.peek().keys()].filter((topic) => topic.includes(":")));
  for (const [name, other] of others) {
    if (now - other.at > 30_000) others.delete(name);
    else for (const topic of other.topics) single.add(topic);
  }
  return [...(isLimited.peek() ? LIMITED : GENERAL), ...[...single].sort().slice(0, MOST_TOPICS)];
}

interface TabMessage {
  kind: string;
  tab?: string;
  topics?: string[];
  text?: string;
}

function hearTab(message: TabMessage): void {
  if (message.kind === "who") tellWants();
  else if (message.kind === "gone" && message.tab) others.delete(message.tab);
  else if (message.kind === "want" && message.tab && isOwner) {
    others.set(message.tab, { topics: message.topics ?? [], at: Date.now() });
    open();
  } else if (message.text !== undefined && !document.hidden && !isPaused.peek()) {
    hear({ kind: message.kind, text: message.text });
  }
}

function tellWants(): void {
  const topics = [...wanted.peek().keys()].filter((topic) => topic.includes(":"));
  channel?.postMessage({ kind: "want", tab, topics });
}

function hear(message: { kind: string; text: string }): void {
  let data: Record<string, unknown>;
  try {
    data = JSON.parse(message.text);
  } catch {
    return;
  }
  if (message.kind === "pulse") {
    // Another tab may have heard it: then this one has asked nothing, and nobody else tells it that the API is back.
    awaySince.value = null;
    take(data as unknown as Pulse);
    if (mode.peek() === "polling") mode.value = "live";
  } else if (typeof data.topic === "string") {
    invalidate(data.topic);
  }
}

function take(next: Pulse): void {
  batch(() => {
    pulse.value = next;
    heardAt.value = Date.now();
    recent.value = [...recent.peek().slice(1 - RECENT), next];
    if (next.build) {
      firstBuild ??= next.build;
      isOutdated.value = next.build !== firstBuild;
    }
  });
}

let ticks = 0;
let isAsking = false;

/** Once a second: notice that the stream is silent, and poll in its place. */
function watch(): void {
  if (document.hidden || isPaused.peek() || me.peek() === null || isOut.peek()) return;
  ticks += 1;
  if (ticks % 10 === 0) {
    tellWants();
    if (isOwner) open();
  }
  if (!isToldOfAll.peek() || Date.now() - heardAt.peek() < SILENCE_MS) return;
  if (mode.peek() === "live") mode.value = "polling";
  if (!isAsking) void poll();
}

let counted: Counted[] = [];

async function poll(): Promise<void> {
  isAsking = true;
  try {
    const { value: stats } = await ask<Stats>("GET", "/dashboard/stats");
    if (Date.now() - heardAt.peek() < SILENCE_MS && mode.peek() === "live") return;
    const at = Date.now();
    counted = withinMinute(counted, { at, done: stats.tasks_completed, failed: stats.tasks_failed });
    const rates = ratesOf(counted);
    take({
      at: new Date(at).toISOString(),
      waiting: stats.queue_depth,
      due: stats.undispatched,
      held: null,
      running: null,
      done_per_s: rates?.done ?? null,
      failed_per_s: rates?.failed ?? null,
      mean_wait: null,
      workers: { active: stats.active_workers, offline: stats.total_workers - stats.active_workers },
      alerts: null,
      health: null,
      marks: null,
      mirror_lag: null,
      build: null,
    });
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) noteOut();
    // Else said by `awaySince` and by what the page itself reads.
    heardAt.value = Date.now() - SILENCE_MS + POLL_MS;
  } finally {
    isAsking = false;
  }
}
