// What a task or a worker is, in one word, one icon and one colour.

export type Tone =
  | "scheduled"
  | "waiting"
  | "running"
  | "completed"
  | "failed"
  | "cancelled"
  | "lost"
  | "quiet";
export type Shape =
  | "scheduled"
  | "queued"
  | "reserved"
  | "retrying"
  | "running"
  | "completed"
  | "failed"
  | "cancelled"
  | "skipped"
  | "lost"
  | "paused"
  | "draining"
  | "offline"
  | "warning"
  | "ok";

export interface Look {
  word: string;
  tone: Tone;
  shape: Shape;
  /** What the word means, where a newcomer would ask. */
  meaning?: string;
}

const LOOKS: Record<string, Look> = {
  scheduled: { word: "scheduled", tone: "scheduled", shape: "scheduled" },
  dispatching: {
    word: "not sent yet",
    tone: "waiting",
    shape: "queued",
    meaning: "In the outbox: it was submitted, and the broker does not have it yet.",
  },
  queued: {
    word: "queued",
    tone: "waiting",
    shape: "queued",
    meaning: "In a queue of the broker, and no worker has fetched it.",
  },
  reserved: {
    word: "reserved",
    tone: "waiting",
    shape: "reserved",
    meaning: "A worker has fetched it and has not started it.",
  },
  retrying: { word: "retrying", tone: "waiting", shape: "retrying" },
  running: { word: "running", tone: "running", shape: "running" },
  completed: { word: "completed", tone: "completed", shape: "completed" },
  failed: { word: "failed", tone: "failed", shape: "failed" },
  cancelled: { word: "cancelled", tone: "cancelled", shape: "cancelled" },
  skipped: { word: "skipped", tone: "cancelled", shape: "skipped" },
  unknown: {
    word: "end unknown",
    tone: "lost",
    shape: "lost",
    meaning: "It is over, and nobody has told how it ended.",
  },
  lost: {
    word: "lost",
    tone: "lost",
    shape: "lost",
    meaning: "Proven to be gone: its message, or the worker that ran it.",
  },
  pending: { word: "pending", tone: "waiting", shape: "queued" },
  waiting: { word: "waiting", tone: "waiting", shape: "queued" },
  active: { word: "active", tone: "completed", shape: "ok" },
  idle: { word: "idle", tone: "quiet", shape: "ok" },
  online: { word: "online", tone: "completed", shape: "ok" },
  paused: { word: "paused", tone: "waiting", shape: "paused" },
  draining: {
    word: "draining",
    tone: "waiting",
    shape: "draining",
    meaning: "It ends what it runs, gives back the rest, and exits.",
  },
  drained: {
    word: "drained",
    tone: "quiet",
    shape: "offline",
    meaning: "It has ended what it ran, given back the rest, and exited.",
  },
  offline: { word: "offline", tone: "quiet", shape: "offline" },
  healthy: { word: "healthy", tone: "completed", shape: "ok" },
  degraded: { word: "degraded", tone: "waiting", shape: "warning" },
  unhealthy: { word: "unhealthy", tone: "failed", shape: "failed" },
  warning: { word: "warning", tone: "waiting", shape: "warning" },
  critical: { word: "critical", tone: "failed", shape: "warning" },
  resolved: { word: "resolved", tone: "quiet", shape: "completed" },
  info: { word: "info", tone: "quiet", shape: "ok" },
  off: { word: "off", tone: "quiet", shape: "offline" },
};

/** Return how a word of the API is shown; one that is not known is shown as it is. */
export function lookOf(word: string): Look {
  const plain = word.toLowerCase();
  return LOOKS[plain] ?? { word: plain, tone: "quiet", shape: "lost" };
}

const ENDED = ["COMPLETED", "FAILED", "CANCELLED"];

/** Return whether a task or a workflow has ended. */
export const hasEnded = (it: { status: string }): boolean => ENDED.includes(it.status);

/** Return how a task is shown: by its phase while it is on its way, by its status once it has ended. */
export function lookOfTask(task: { status: string; phase?: string; outcome?: string | null }): Look {
  if (task.outcome === "unknown") return LOOKS.unknown!;
  const isOnItsWay = task.status === "PENDING" || task.status === "RUNNING";
  return lookOf(isOnItsWay && task.phase && task.phase !== "finished" ? task.phase : task.status);
}
