// Webhooks as the API shows them, and how they are, in a word.
import type { Look } from "../../logic/status.ts";

export interface Webhook {
  webhook_id: string;
  url: string;
  description: string;
  events: string[];
  filters: Record<string, unknown>;
  payload: "thin" | "full";
  format: "standard" | "cloudevents";
  ordering: "none" | "subject";
  rate_per_second: number | null;
  max_in_flight: number;
  headers: string[];
  enabled: boolean;
  disabled_at: string | null;
  disabled_because: "asked" | "gone" | "failing" | null;
  circuit: "CLOSED" | "OPEN" | "HALF_OPEN";
  consecutive_failures: number;
  failing_since: string | null;
  held_until: string | null;
  previous_secret_expires_at: string | null;
  created_at: string;
  created_by: string;
}

/** Why a webhook is off, as a sentence goes on. */
export const BECAUSE = {
  asked: "somebody switched it off",
  gone: "its endpoint answered 410, gone",
  failing: "its endpoint failed for five days",
} as const;

/** Return how a webhook is. */
export function lookOfWebhook(webhook: Webhook): Look {
  if (!webhook.enabled)
    return webhook.disabled_because === "asked" || webhook.disabled_because === null
      ? { word: "off", tone: "quiet", shape: "offline" }
      : { word: "switched off", tone: "failed", shape: "failed" };
  if (webhook.circuit !== "CLOSED") return { word: "left alone", tone: "failed", shape: "paused" };
  if (webhook.failing_since !== null) return { word: "failing", tone: "waiting", shape: "warning" };
  return { word: "on", tone: "completed", shape: "ok" };
}
