// Channels, routes and messages as the API shows them.
import type { Look } from "../../logic/status.ts";

export interface Channel {
  channel_id: string;
  name: string;
  url: string;
  enabled: boolean;
  created_at: string;
  created_by: string;
  failing_since: string | null;
  last_attempt_at: string | null;
  last_outcome: string | null;
  last_code: number | null;
  last_delivered_at: string | null;
}

export interface Route {
  route_id: string;
  name: string;
  channel_ids: string[];
  severities: string[];
  alert_types: string[];
  subjects: string[];
  group_seconds: number;
  repeat_seconds: number | null;
  send_resolved: boolean;
  enabled: boolean;
}

export interface Message {
  message_id: string;
  channel_id: string;
  title: string;
  body: string;
  alerts: number;
  status: "PENDING" | "DELIVERED" | "FAILED";
  attempts: number;
  created_at: string;
  next_attempt_at: string | null;
  last_outcome: string | null;
  last_code: number | null;
}

export function lookOfChannel(channel: Channel): Look {
  if (!channel.enabled) return { word: "off", tone: "quiet", shape: "offline" };
  if (channel.failing_since !== null) return { word: "failing", tone: "failed", shape: "failed" };
  // A message that fails makes it failing: what is left is a test.
  if (channel.last_outcome !== null && channel.last_outcome !== "delivered")
    return { word: "test failed", tone: "waiting", shape: "warning" };
  if (channel.last_delivered_at === null) return { word: "not tried", tone: "quiet", shape: "reserved" };
  return { word: "takes them", tone: "completed", shape: "ok" };
}

export const MESSAGE_LOOKS: Record<Message["status"], Look> = {
  PENDING: { word: "waiting", tone: "waiting", shape: "queued" },
  DELIVERED: { word: "delivered", tone: "completed", shape: "completed" },
  FAILED: { word: "given up", tone: "failed", shape: "failed" },
};

const OUTCOMES: Record<string, string> = {
  not_allowed: "its address is not allowed",
  tls: "no trusted certificate",
  timeout: "not taken in time",
  invalid: "its URL is not understood",
  unreadable: "its URL cannot be decrypted",
};

/** `not taken in time`, `refused, 403`. */
export function outcomeOf(of: { last_outcome: string | null; last_code: number | null }): string {
  if (of.last_outcome === null) return "";
  const word = OUTCOMES[of.last_outcome] ?? of.last_outcome.replaceAll("_", " ");
  return of.last_code === null ? word : `${word}, ${of.last_code}`;
}
