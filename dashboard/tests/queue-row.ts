// A queue as the API tells of it, for tests.
import type { QueueRow } from "../src/api/types.ts";

/** Return one in which nothing waits, with one worker, but for what is said otherwise. */
export const queue = (over: Partial<QueueRow>): QueueRow => ({
  queue_name: "payments",
  waiting: 0,
  due: 0,
  unacked: 0,
  oldest_waiting_at: null,
  in_per_minute: 0,
  out_per_minute: 0,
  empty_in_seconds: null,
  consumers: 1,
  active_consumers: over.consumers ?? 1,
  mark: null,
  ...over,
});
