// What the API answers, as far as more than one page reads it. What one page alone reads stands in its folder.

export type Status = "PENDING" | "RUNNING" | "COMPLETED" | "FAILED" | "CANCELLED";
export type Phase = "scheduled" | "dispatching" | "queued" | "reserved" | "running" | "retrying" | "finished";

export interface Page<Row> {
  total: number;
  total_is_exact: boolean;
  limit: number;
  offset: number;
  data: Row[];
  next_cursor: string | null;
  message?: string | null;
}

export interface TaskRow {
  task_id: string;
  task_name: string | null;
  status: Status;
  phase: Phase;
  priority: number | null;
  queue_name: string | null;
  worker_id: string | null;
  worker_hostname: string | null;
  created_at: string;
  scheduled_at: string | null;
  started_at: string | null;
  completed_at: string | null;
  duration_seconds: number | null;
  retry_count: number;
  max_retries: number | null;
  timeout_seconds: number | null;
  error: string | null;
  original_task_id: string | null;
  workflow_id: string | null;
  cancel_requested: boolean;
  outcome: string | null;
}

export interface Stats {
  queue_depth: number;
  active_workers: number;
  total_workers: number;
  cpu_usage_percent: number | null;
  memory_usage_percent: number;
  total_tasks_submitted: number;
  tasks_completed: number;
  tasks_failed: number;
  tasks_cancelled: number;
  undispatched: number;
  parked: number;
  queue_depth_source: "broker" | "mirror";
  queues: { name: string; waiting: number; unacked: number }[];
  version: string;
}

export interface Alert {
  alert_id: string;
  type: string;
  severity: "CRITICAL" | "WARNING" | "INFO";
  description: string;
  created_at: string;
  acknowledged: boolean;
  acknowledged_at: string | null;
  resolved_at: string | null;
  /** When it was so, as far as is known; the others are when that was said. */
  began_at: string;
  ended_at: string | null;
  subject: string | null;
  value: number;
  threshold: number;
}

export interface Figures {
  submitted: number;
  completed: number;
  failed: number;
  cancelled: number;
  average_wait_seconds: number | null;
  average_duration_seconds: number | null;
  p95_duration_seconds: number | null;
}

export interface Trends {
  completion_rate: number | null;
  average_wait_time_seconds: number | null;
  failure_patterns: { error: string; count: number; percentage: number }[];
  interval: string;
  since: string;
  until: string;
  series: (Figures & { bucket: string; p50_duration_seconds: number | null })[];
  by_task: (Figures & { task_name: string | null; completion_rate: number | null })[];
  by_queue: (Figures & { queue_name: string | null; completion_rate: number | null })[];
}

export interface WorkerFigures {
  worker_id: string;
  hostname: string;
  status: string;
  uptime_seconds: number | null;
  task_rate: number;
  error_rate: number | null;
  capacity_utilization: number | null;
  running?: number;
  capacity?: number | null;
  queues?: string[];
}

export interface Component {
  name: string;
  status: string;
  since: string;
  detail: string | null;
}

export interface Resilience {
  system_health: { components_total: number; healthy: number; unhealthy: number };
  degradation: {
    degraded_services_count: number;
    services: string[];
    marks: Mark[];
  };
  resilience_score: number;
  components: Component[];
  other_parts: Component[];
  mirror: { lag_seconds: number | null; gaps_24h: number | null };
}

export interface Health {
  status: "healthy" | "degraded" | "unhealthy";
  version: string;
  checks: Record<string, string>;
}

/** A stretch in which the mirror could not hear. */
export interface Gap {
  gap_id: string;
  source: string;
  started_at: string;
  ended_at: string;
  seconds: number;
}

export interface Mark {
  service_name: string;
  strategy: string;
  degraded_until: string | null;
  automatic: boolean;
  set_at?: string | null;
  /** How whoever set it is called; null where there are no keys. */
  set_by_name?: string | null;
  reason?: string | null;
}

/** A mark that holds work back, and how much. */
export interface Hold extends Mark {
  count: number;
}

/** What is due and kept by marks, by queue and name, and by mark. */
export interface HeldRead {
  total: number;
  is_exact: boolean;
  data: {
    queue_name: string;
    task_name: string;
    count: number;
    oldest_due_at: string;
    held_by: string[];
  }[];
  marks: Hold[];
}

export interface QueueRow {
  queue_name: string;
  waiting: number | null;
  due: number;
  unacked: number;
  oldest_waiting_at: string | null;
  in_per_minute: number;
  out_per_minute: number;
  empty_in_seconds: number | null;
  consumers: number;
  /** Those of them that take tasks: the others are paused or draining. */
  active_consumers: number;
  mark: Mark | null;
  /** Set by the page while workers are not heard: who takes from it is not known then. */
  isUnheard?: boolean;
}
