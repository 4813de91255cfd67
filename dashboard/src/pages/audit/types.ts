// The rows of the audit, and where their subjects are.
import { pageOf as pageOfMarked } from "../../logic/marks.ts";
import type { Look } from "../../logic/status.ts";

export interface AuditRow {
  audit_id: string;
  at: string;
  actor_kind: string;
  actor_id: string;
  actor_name: string;
  action: string;
  subject_kind: string;
  subject_id: string;
  outcome: string;
  request_id: string | null;
  address: string | null;
  reason: string | null;
  before: Record<string, unknown>;
  after: Record<string, unknown>;
}

export interface Verification {
  ok: boolean;
  complete: boolean;
  tampering: { message: string; seal_no: number; audit_id: string | null } | null;
  seals: number;
  rows: number;
  unsealed_rows: number;
  sealed_at: string | null;
}

export const ACTIONS = [
  ...["task.cancel", "task.replay", "task.reveal", "workflow.cancel", "workflow.retry", "workflow.replay"],
  ...["worker.register", "worker.forget", "worker.pause", "worker.resume", "worker.drain", "worker.resize"],
  ...[
    "preset.save",
    "preset.delete",
    "alert.acknowledge",
    "rules.change",
    "channel.create",
    "channel.change",
  ],
  ...["channel.delete", "channel.test", "route.create", "route.change", "route.delete", "service.mark"],
  ...["service.clear", "key.create", "key.change", "key.rotate", "key.revoke", "session.sign_in"],
  ...[
    "session.sign_out",
    "session.end",
    "webhook.create",
    "webhook.change",
    "webhook.rotate",
    "webhook.delete",
  ],
  ...["webhook.test", "webhook.retry", "webhook.recover"],
] as const;

const LOOKS: Record<string, Look> = {
  done: { word: "done", tone: "completed", shape: "completed" },
  // Rows are sealed as they are written: this one is true whatever came of it.
  requested: { word: "accepted", tone: "running", shape: "reserved" },
  refused: { word: "refused", tone: "failed", shape: "cancelled" },
};

export const lookOfOutcome = (outcome: string): Look =>
  LOOKS[outcome] ?? { word: outcome, tone: "quiet", shape: "lost" };

const PAGES: Record<string, string> = {
  task: "/tasks/",
  workflow: "/workflows/",
  worker: "/workers/",
  webhook: "/webhooks/",
};
/** The pages of those that have none of their own. */
const LISTS: Record<string, string> = {
  alert: "/alerts",
  rules: "/alerts",
  channel: "/notifications",
  route: "/notifications",
  key: "/keys",
  service: "/system",
};

/** Return the page of what something was done to; null where it has none. */
export function pageOf(row: { subject_kind: string; subject_id: string }): string | null {
  const marked = row.subject_kind === "service" ? pageOfMarked(row.subject_id) : null;
  if (marked) return marked.to;
  if (Object.hasOwn(LISTS, row.subject_kind)) return LISTS[row.subject_kind]!;
  const page = Object.hasOwn(PAGES, row.subject_kind) ? PAGES[row.subject_kind] : undefined;
  return page && row.subject_id ? page + encodeURIComponent(row.subject_id) : null;
}
