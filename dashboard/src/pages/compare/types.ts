// Two tasks beside each other, as the API compares them.
import type { TimelineEvent } from "../task/types.ts";

export interface Comparison {
  task_id1: string;
  task_id2: string;
  same_function: boolean | null;
  same_args: boolean | null;
  same_kwargs: boolean | null;
  same_priority: boolean | null;
  same_queue: boolean | null;
  same_status: boolean;
  same_worker: boolean | null;
  timing: {
    task1_duration: number | null;
    task2_duration: number | null;
    difference_seconds: number | null;
    task1_wait: number | null;
    task2_wait: number | null;
  };
  arguments: { op: "add" | "remove" | "replace"; path: string; value: unknown; old_value: unknown }[] | null;
  arguments_truncated: boolean;
  events: { task1: TimelineEvent[]; task2: TimelineEvent[] };
}
