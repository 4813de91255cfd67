// How much waits, as one figure: a page that lists the queues and the strip above it say the same.
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { waitingIn } from "../logic/queues.ts";
import type { Data } from "./query.ts";
import type { QueueRow, Page as Rows } from "./types.ts";

/** What the page on the screen counts as waiting; null where it lists no queues: then the pulse tells. */
export const waitingShown = signal<number | null>(null);

/** Return what waits in all queues that were read, and have the strip say it too; null where that is not known now. */
export function useWaiting(read: Data<Rows<QueueRow>>): number | null {
  const rows = read.error ? undefined : read.value;
  const isWhole = rows !== undefined && rows.total <= rows.data.length;
  const waiting = isWhole ? waitingIn(rows.data) : null;
  useEffect(() => {
    waitingShown.value = waiting;
    return () => {
      waitingShown.value = null;
    };
  }, [waiting]);
  return waiting;
}
