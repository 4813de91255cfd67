// Keys as the API shows them, and how they are, in a word.
import type { Scope } from "../../api/session.ts";
import type { Look } from "../../logic/status.ts";

export interface Key {
  key_id: string;
  name: string;
  scopes: Scope[];
  queues: string[];
  task_names: string[];
  allowed_networks: string[];
  rate_limit_per_minute: number | null;
  created_at: string;
  created_by: string;
  expires_at: string | null;
  previous_expires_at: string | null;
  disabled: boolean;
  revoked_at: string | null;
  last_used_at: string | null;
  last_used_from: string | null;
}

/** The requests of the last hour that were refused for want of a valid key. */
export interface TurnedAway {
  count: number;
  latest_at: string | null;
  latest_from: string | null;
}

export interface Issued extends Key {
  key: string;
}

const DAY = 86_400_000;

/** Return how a key is at a time. */
export function lookOfKey(key: Key, now: number): Look {
  if (key.revoked_at !== null) return { word: "revoked", tone: "quiet", shape: "cancelled" };
  const left = key.expires_at === null ? null : Date.parse(key.expires_at) - now;
  if (left !== null && left <= 0) return { word: "expired", tone: "quiet", shape: "offline" };
  if (key.disabled) return { word: "off", tone: "quiet", shape: "paused" };
  if (left !== null && left < 7 * DAY) return { word: "ends soon", tone: "waiting", shape: "warning" };
  return { word: "valid", tone: "completed", shape: "ok", meaning: "Whoever sends it is let in." };
}

/** Whether a key is over for good. */
export const isOver = (key: Key, now: number): boolean =>
  key.revoked_at !== null || (key.expires_at !== null && Date.parse(key.expires_at) <= now);

/** What each scope lets somebody do. */
export const SCOPES: readonly (readonly [Scope, string, string])[] = [
  ["read", "read", "see everything but secrets"],
  ["submit", "submit", "submit tasks and workflows, and see one's own"],
  ["operate", "operate", "cancel, replay, pause, drain, hold back, acknowledge alerts"],
  ["admin", "admin", "keys, rules, webhooks, notifications, audit"],
];
