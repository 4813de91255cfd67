// What the API answers about workers, as far as the pages of workers read it.

export interface Worker {
  worker_id: string;
  hostname: string;
  status: "ACTIVE" | "PAUSED" | "DRAINING" | "OFFLINE";
  capacity: number | null;
  current_load: number;
  last_heartbeat: string | null;
  is_draining: boolean;
  /** When it said goodbye because it was drained; null once it is back. */
  drained_at: string | null;
  pool: string | null;
  queues: string[] | null;
  software: string | null;
  plugin: string | null;
  /** Of one that is offline: kept until it is back. */
  desired: { paused: boolean | null; draining: boolean; capacity: number | null };
  converged: boolean;
  events: "on" | "off" | "unknown";
  /** Set by the page while workers are not heard: it was there when they last were. */
  isUnheard?: boolean;
}

export interface WorkerDetail extends Worker {
  pid: number | null;
  concurrency: number | null;
  prefetch_count: number | null;
  versions: { celery: string | null; plugin: string | null; protocol: number | null };
  capabilities: string[] | null;
  registered_at: string | null;
  observed: {
    paused: boolean | null;
    queues: string[] | null;
    concurrency: number | null;
    described_at: string | null;
  };
  message: string | null;
}

export interface Drain {
  state: "draining" | "drained" | "overdue";
  remaining_task_ids: string[];
  started_at: string;
  deadline_at: string | null;
  finished_at: string | null;
  message: string | null;
}

export interface HistoryEntry {
  at: string;
  event:
    | "registered"
    | "pause_asked"
    | "resume_asked"
    | "drain_asked"
    | "resize_asked"
    | "forgotten"
    | "online"
    | "offline"
    | "vanished"
    | "drained"
    | "queue_taken_on";
  by: string | null;
  /** How he was called then. */
  by_name: string | null;
  reason: string | null;
  capacity: number | null;
  queue_name: string | null;
}
