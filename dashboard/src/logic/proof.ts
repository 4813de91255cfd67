// The receipt of a cancel, step by step, out of what is recorded. Pure.
import type { Task, TimelineEvent } from "../pages/task/types.ts";
import type { ReceiptStep } from "../parts/receipt.tsx";

const HAS_ENDED = ["COMPLETED", "FAILED", "CANCELLED"];

/** The answer to a cancel, without a claim that what is shown does not prove yet. */
export const asAsked = (message: string | undefined): string | undefined =>
  message?.endsWith("cancelled successfully") ? "Cancel asked for." : message;

/** Return the steps of a cancel; none where none was asked for. `message` is the answer to it, where it was given here. */
export function proofOfCancel(task: Task, events: readonly TimelineEvent[], message?: string): ReceiptStep[] {
  const asked = events.find((event) => event.event_type === "cancel_requested");
  const revoked = events.findLast((event) => event.event_type === "revoked");
  if (!asked && !task.cancel_requested) return [];
  const steps: ReceiptStep[] = [{ title: "Asked for", state: "ok", at: asked?.timestamp }];
  const isOver = HAS_ENDED.includes(task.status);
  const neverRan = task.status === "CANCELLED" && !task.started_at;
  const left = events.some((event) => event.event_type === "dispatched");
  if (!left) steps.push({ title: "Taken out of the outbox", state: isOver ? "ok" : "open" });
  else {
    steps.push({
      title: "Workers are told, and refuse to start it",
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
