// The receipt of a cancel, step by step, out of what is recorded. Pure.
import type { Task, TimelineEvent } from "../pages/task/types.ts";
import type { ReceiptStep } from "../parts/receipt.tsx";

const HAS_ENDED = ["COMPLETED", "FAILED", "CANCELLED"];

/** The answer to a cancel, without a claim that what is shown does not prove yet. */
export const asAsked = (message: string | undefined): string | undefined =>
  message?.endsWith("cancelled successfully") ? "Cancel asked for." : message;

/** How a task was kept from its start, by the reason that is recorded with its end; of any other end a worker tells. */
const KEPT: Record<string, (queue: string) => string> = {
  "not yet handed to the broker": () => "Taken back before it was handed to the broker",
  "taken out of its queue": (queue) => `Its message was taken out of ${queue}: no worker can get it any more`,
  "every worker of its queue refuses it": (queue) =>
    `Every worker of ${queue} asks before it starts a task, and this one is refused`,
};

/** Return the steps of a cancel; none where none was asked for. `message` is the answer to it, where it was given here;
 * `isRead` whether any worker reads its queue, as far as that is known. */
export function proofOfCancel(
  task: Task,
  events: readonly TimelineEvent[],
  message?: string,
  isRead = true,
): ReceiptStep[] {
  const asked = events.find((event) => event.event_type === "cancel_requested");
  const revoked = events.findLast((event) => event.event_type === "revoked");
  if (!asked && !task.cancel_requested) return [];
  const steps: ReceiptStep[] = [{ title: "Asked for", state: "ok", at: asked?.timestamp }];
  const isOver = HAS_ENDED.includes(task.status);
  const neverRan = task.status === "CANCELLED" && !task.started_at;
  const left = events.some((event) => event.event_type === "dispatched");
  const queue = task.queue_name ? `queue ${task.queue_name}` : "its queue";
  const kept = KEPT[String(revoked?.details.reason)]?.(queue);
  if (kept && isOver) steps.push({ title: kept, state: "ok" });
  else if (!left)
    steps.push({ title: "Taken back before it is handed to the broker", state: isOver ? "ok" : "open" });
  else if (!isRead && !isOver)
    steps.push({
      title: `No worker reads ${queue}: nobody is there to be told`,
      state: "open",
      detail: "The cancel is recorded and held. A worker that starts there is told to refuse the task.",
    });
  else {
    steps.push({
      title: "Workers are told to refuse or stop it",
      state: isOver || message ? "ok" : "open",
      detail: isOver ? message : asAsked(message),
    });
    if (task.started_at && !isOver)
      steps.push({
        title: "It is still running",
        state: "open",
        detail: "Its worker ends it, or it ends by itself.",
      });
  }
  steps.push(endOf(task, revoked, neverRan, isOver));
  return steps;
}

function endOf(
  task: Task,
  revoked: TimelineEvent | undefined,
  neverRan: boolean,
  isOver: boolean,
): ReceiptStep {
  if (!isOver)
    return {
      title: "Proven",
      state: "later",
      detail: "As soon as a worker says so, or nobody can run it any more.",
    };
  const at = revoked?.timestamp ?? task.completed_at;
  if (task.status === "CANCELLED")
    return { title: neverRan ? "Proven: it never ran" : "Proven: it was stopped", state: "ok", at };
  const what = task.status === "COMPLETED" ? "completed" : "failed";
  return { title: `It had ${what} before the cancel reached it`, state: "failed", at: task.completed_at };
}
