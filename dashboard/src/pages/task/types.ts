// One task whole, as the API tells it.
import type { TaskRow } from "../../api/types.ts";

export interface Attempt {
  number: number;
  retries: number;
  delivery: number;
  state: string;
  worker_id: string | null;
  worker_hostname: string | null;
  received_at: string | null;
  started_at: string | null;
  finished_at: string | null;
  runtime_seconds: number | null;
  exception: string | null;
  traceback: string | null;
}

export interface Task extends TaskRow {
  task_args: unknown[] | null;
  task_kwargs: Record<string, unknown> | null;
  args_repr: string | null;
  kwargs_repr: string | null;
  result: unknown;
  result_pending: boolean;
  result_truncated: boolean;
  result_repr: string | null;
  traceback: string | null;
  submitted_by: string | null;
  attempts: Attempt[];
  attempts_truncated: boolean;
  dispatch_refusal: {
    refusals: number;
    reason: string;
    parked_at: string | null;
    next_try_at: string;
  } | null;
  message: string | null;
}

export interface TimelineEvent {
  timestamp: string;
  event_type: string;
  details: Record<string, unknown>;
}

export interface Timeline {
  task_id: string;
  complete: boolean;
  truncated: boolean;
  events_left_out: number;
  events: TimelineEvent[];
}

export interface Explanation {
  task_id: string;
  /** Of the task when it was looked at. */
  status: string;
  verdict: string;
  since: string | null;
  checks: {
    name: string;
    state: "ok" | "blocks" | "unknown";
    detail: string;
    evidence: Record<string, unknown>;
    action: string | null;
    since: string | null;
  }[];
}

export interface Tree {
  total: number;
  data: (TaskRow & { depth: number; parent_id: string | null })[];
}
