// What the API answers about names of tasks.

/** How long the runs took that ended in an hour. */
export interface RunTimes {
  runs: number;
  p50_duration_seconds: number | null;
  p95_duration_seconds: number | null;
}

export interface NameRow {
  task_name: string | null;
  submitted: number;
  completed: number;
  failed: number;
  cancelled: number;
  average_wait_seconds: number | null;
  average_duration_seconds: number | null;
  p50_duration_seconds: number | null;
  p95_duration_seconds: number | null;
  completion_rate: number | null;
  ended_per_minute: number;
  last_hour: RunTimes;
  hour_before: RunTimes;
  is_slower: boolean;
  known_by: number;
  acks_late: boolean | null;
  max_retries: number | null;
}

export interface NameDetail extends NameRow {
  slower_since: string | null;
  workers: {
    worker_id: string;
    hostname: string;
    knows: boolean;
    acks_late: boolean | null;
    max_retries: number | null;
  }[];
  latest_failure: { task_id: string; error: string | null; failed_at: string | null } | null;
}
