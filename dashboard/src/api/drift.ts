// What waited in each queue in the last minute, as far as a page has read it.
import { useEffect } from "preact/hooks";
import { driftOf, type Waited, withNewest } from "../logic/drift.ts";
import { clock } from "../parts/time.tsx";
import type { QueueRow } from "./types.ts";

const kept = new Map<string, Waited[]>();

/** Keep what was read of these queues. */
export function useDrifts(queues: readonly QueueRow[] | undefined): void {
  useEffect(() => {
    const at = Date.now();
    for (const { queue_name, waiting } of queues ?? [])
      if (waiting === null) kept.delete(queue_name);
      else kept.set(queue_name, withNewest(kept.get(queue_name) ?? [], { at, waiting }));
  }, [queues]);
}

/** Return how many more wait in a queue each minute; null until it is known. It is drawn anew each second. */
export const drift = (queue: QueueRow): number | null =>
  driftOf(kept.get(queue.queue_name) ?? [], clock.value.now);
