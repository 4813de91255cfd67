// Workflows as the API tells them.

export type WorkflowStatus = "PENDING" | "RUNNING" | "COMPLETED" | "FAILED" | "CANCELLED";

export interface WorkflowRow {
  workflow_id: string;
  name: string;
  status: WorkflowStatus;
  on_failure: "stop" | "continue";
  created_at: string;
  started_at: string | null;
  completed_at: string | null;
  duration_seconds: number | null;
  /** In which it had ended, and nobody had retried it yet. */
  retry_pause_seconds: number;
  step_count: number;
  unfinished_steps: number;
  cancel_requested: boolean;
  original_workflow_id: string | null;
}

export interface StepDetail {
  id: string;
  task_id: string;
  status: string;
  task_name: string;
  depends_on: string[];
  queue_name: string;
  scheduled_at: string | null;
  created_at: string | null;
  started_at: string | null;
  completed_at: string | null;
  duration_seconds: number | null;
  retry_count: number;
  max_retries: number;
  worker_hostname: string | null;
  result: unknown;
  result_omitted: boolean;
  error: string | null;
}

export interface Workflow extends WorkflowRow {
  steps: StepDetail[];
}

export interface WorkflowGraph {
  edges_truncated: boolean;
  critical_path: string[];
  critical_path_leads_to: "failure" | "now" | "end" | "nothing_yet";
  critical_path_seconds: number;
  critical_path_waited_seconds: number;
  critical_path_retry_pause_seconds: number;
}

export interface WorkflowEvent {
  timestamp: string;
  event_type: string;
  step_id: string | null;
  task_id: string | null;
  details: Record<string, unknown>;
}
