// Which of the selected tasks can be cancelled: those that have not ended. Pure.
import type { TaskRow } from "../api/types.ts";
import { plural } from "./format.ts";
import { hasEnded } from "./status.ts";

/** Return those that can be cancelled; one of which nothing is known may be one of them. */
export function cancellable(ids: readonly string[], rows: readonly Pick<TaskRow, "task_id" | "status">[]) {
  const ended = new Set(rows.filter(hasEnded).map((row) => row.task_id));
  return ids.filter((id) => !ended.has(id));
}

/** Return what is said beside a question about `some` of `all`; nothing where it is about all. */
export function restOf(some: number, all: number): string {
  if (some === all) return "";
  return `${plural(all - some, "other has", "others have")} ended already, and cannot be cancelled.`;
}
