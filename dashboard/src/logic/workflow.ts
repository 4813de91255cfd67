// What became of a workflow, in one sentence; why a step has not run; and what proves an action on it. Pure.

import type { StepDetail, Workflow, WorkflowGraph, WorkflowRow } from "../pages/workflow/types.ts";
import type { ReceiptStep } from "../parts/receipt.tsx";
import { tally } from "./fold.ts";
import { between, count, duration, plural } from "./format.ts";
import { type Length, soFar } from "./lengths.ts";
import { asAsked } from "./proof.ts";
import { hasEnded } from "./status.ts";

const numbers = (steps: readonly StepDetail[]) => new Map(tally(steps.map((step) => step.status)));

/** The step that failed first. */
export function firstFailure(steps: readonly StepDetail[]): StepDetail | undefined {
  return steps
    .filter((step) => step.status === "FAILED")
    .sort((a, b) => timeOf(a.completed_at) - timeOf(b.completed_at))[0];
}

const timeOf = (text: string | null): number => (text ? Date.parse(text) : Number.POSITIVE_INFINITY);

type Asked = Pick<WorkflowRow, "status" | "created_at" | "completed_at" | "retry_pause_seconds">;

/** Return how long it took from when it was asked for: with what its first steps waited, without the time in which it
 * had ended and nobody had retried it yet. */
export function tookOf(it: Asked, now: number): Length {
  const whole = hasEnded(it)
    ? { seconds: between(it.created_at, it.completed_at), isSoFar: false }
    : soFar(it.created_at, now);
  return whole.seconds === null
    ? whole
    : { ...whole, seconds: Math.max(0, whole.seconds - it.retry_pause_seconds) };
}

/** How long it, or the steps of a path, lay there until somebody retried it; empty where nobody did. */
export const retriedAfter = (seconds: number): string =>
  seconds > 0 ? `, retried after ${duration(seconds)}` : "";

/** Return the sentence under a workflow's title. */
export function sentenceOfWorkflow(workflow: Workflow, now: number): string {
  const { steps } = workflow;
  const found = numbers(steps);
  const done = found.get("COMPLETED") ?? 0;
  const failed = found.get("FAILED") ?? 0;
  const never = (found.get("SKIPPED") ?? 0) + (found.get("WAITING") ?? 0);
  const ofAll = `${count(done)} of ${plural(steps.length, "step")}`;
  const lasted = duration(tookOf(workflow, now).seconds);
  const after = retriedAfter(workflow.retry_pause_seconds);
  switch (workflow.status) {
    case "COMPLETED":
      return steps.length === 1
        ? `Its one step completed in ${lasted}${after}.`
        : `All ${count(steps.length)} steps completed in ${lasted}${after}.`;
    case "FAILED": {
      const first = firstFailure(steps);
      const others = failed > 1 ? `, the first of ${count(failed)}` : "";
      const what = first ? `${first.id} failed${others}: ${lineOf(first.error)}` : "A step did not complete.";
      return `${what} ${ofAll} completed${never > 0 ? `, ${count(never)} skipped` : ""}.`;
    }
    case "CANCELLED":
      return `Cancelled: ${ofAll} had completed${never > 0 ? `, ${count(never)} skipped` : ""}.`;
    case "RUNNING":
      return `${ofAll} completed in ${lasted}${onItsWay(found)}.${trouble(workflow, failed)}`;
    default:
      return `None of its ${plural(steps.length, "step")} has started yet${onItsWay(found)}.${trouble(workflow, failed)}`;
  }
}

function onItsWay(found: Map<string, number>): string {
  const running = found.get("RUNNING") ?? 0;
  const pending = found.get("PENDING") ?? 0;
  return [
    running > 0 ? `, ${plural(running, "runs", "run")}` : "",
    pending > 0 ? `, ${plural(pending, "waits", "wait")} for a worker` : "",
  ].join("");
}

function trouble(workflow: Workflow, failed: number): string {
  if (workflow.cancel_requested) return " A cancel was asked for: nothing new starts.";
  if (failed === 0) return "";
  const rest = workflow.on_failure === "stop" ? "nothing new starts" : "what does not need it goes on";
  return ` ${count(failed)} failed: ${rest}.`;
}

/** The first line of an error, as a sentence of its own. */
function lineOf(error: string | null): string {
  const line = (error ?? "nobody told why").split("\n", 1)[0]!;
  return line.length > 160 ? `${line.slice(0, 159)}…` : line.replace(/\.?$/, ".");
}

const WORD: Record<string, string> = {
  WAITING: "waits as well",
  PENDING: "waits for a worker",
  RUNNING: "runs",
  FAILED: "failed",
};

/** Why a step has not run, or not yet; empty for one that has. */
export function whyOf(step: StepDetail, workflow: Workflow): string {
  const byId = new Map(workflow.steps.map((one) => [one.id, one]));
  if (step.status === "WAITING") {
    const open = step.depends_on.map((id) => byId.get(id)).filter((one) => one && one.status !== "COMPLETED");
    if (open.length === 0) return "All that it needs has completed: it is about to start.";
    const first = open[0]!;
    const word = WORD[first.status] ?? `is ${first.status.toLowerCase()}`;
    return open.length === 1
      ? `It waits for ${first.id}, which ${word}.`
      : `It waits for ${count(open.length)} steps; ${first.id} ${word}.`;
  }
  if (step.status !== "SKIPPED") return "";
  const cause = causeOf(step, byId);
  if (cause) {
    const how = cause.status === "FAILED" ? "failed" : "was cancelled";
    return step.depends_on.includes(cause.id)
      ? `Skipped: it needs ${cause.id}, which ${how}.`
      : `Skipped: it needs what came of ${cause.id}, which ${how}.`;
  }
  const first = firstFailure(workflow.steps);
  if (workflow.cancel_requested) return "Skipped: the workflow was cancelled before.";
  return first
    ? `Skipped: ${first.id} failed, and this workflow starts nothing new after a failure.`
    : "Skipped.";
}

/** The step behind which it was left out: the nearest one before it that did not complete by itself. */
export function causeOf(step: StepDetail, byId: ReadonlyMap<string, StepDetail>): StepDetail | null {
  const seen = new Set<string>([step.id]);
  const waiting = [...step.depends_on];
  for (let next = 0; next < waiting.length; next += 1) {
    const id = waiting[next]!;
    if (seen.has(id)) continue;
    seen.add(id);
    const before = byId.get(id);
    if (!before) continue;
    if (before.status === "FAILED" || before.status === "CANCELLED") return before;
    if (before.status === "SKIPPED") waiting.push(...before.depends_on);
  }
  return null;
}

/** The one of those that a step needs which ended last: what it waited for. */
export function heldBy(step: StepDetail, byId: ReadonlyMap<string, StepDetail>): StepDetail | null {
  let last: StepDetail | null = null;
  for (const id of step.depends_on) {
    const before = byId.get(id);
    if (before?.completed_at && (!last || before.completed_at > last.completed_at!)) last = before;
  }
  return last;
}

/** What the critical path is, and how long it took; empty where there is none. */
export function pathSaid(graph: WorkflowGraph): { what: string; took: string } {
  const { critical_path: path, critical_path_leads_to: leads } = graph;
  const last = path.at(-1);
  if (last === undefined) return { what: "", took: "" };
  const inSteps = plural(path.length, "step");
  if (leads === "nothing_yet") return { what: "The longest chain:", took: `${inSteps}, none has run` };
  const what = {
    failure: `The way to the failure of ${last}:`,
    now: `Critical path so far, to ${last}:`,
    end: "Critical path, the slowest chain:",
  }[leads];
  const { critical_path_seconds: ran, critical_path_waited_seconds: waited } = graph;
  const after = retriedAfter(graph.critical_path_retry_pause_seconds);
  const parts = `${duration(ran)} run, ${duration(waited)} waited${after}`;
  return { what, took: `${duration(ran + waited)} in ${inSteps}: ${parts}` };
}

/** The receipt of a cancel; none where none was asked for. `message` is the answer to it, where it was given here. */
export function proofOfWorkflowCancel(workflow: Workflow, message?: string): ReceiptStep[] {
  if (!workflow.cancel_requested && message === undefined) return [];
  const found = numbers(workflow.steps);
  const running = workflow.steps.filter((step) => step.status === "RUNNING" || step.status === "PENDING");
  const isOver = hasEnded(workflow);
  const named = running
    .slice(0, 3)
    .map((step) => step.id)
    .join(", ");
  const skipped = found.get("SKIPPED") ?? 0;
  return [
    { title: "Asked for", state: "ok", detail: isOver ? message : asAsked(message) },
    {
      title: "Nothing new starts",
      state: "ok",
      detail: skipped > 0 ? `${plural(skipped, "step")} skipped.` : undefined,
    },
    running.length > 0 && !isOver
      ? {
          title: `${plural(running.length, "step")} on the way to ${running.length === 1 ? "its" : "their"} end`,
          state: "open",
          detail: named + (running.length > 3 ? " …" : ""),
        }
      : { title: "Nothing of it runs any more", state: isOver ? "ok" : "open" },
    isOver
      ? {
          title:
            workflow.status === "CANCELLED"
              ? "Proven: it is over"
              : `It had ${workflow.status.toLowerCase()} before the cancel reached it`,
          state: workflow.status === "CANCELLED" ? "ok" : "failed",
          at: workflow.completed_at,
        }
      : { title: "Proven", state: "later", detail: "As soon as each of them is known to have ended." },
  ];
}

/** How a workflow was when a retry of it was asked for. */
export interface Before {
  kept: number;
  endedAt: string | null;
}

/** The receipt of a retry or a replay, as its steps go again. What is still told of the end before is no end of this. */
export function proofOfRun(workflow: Workflow, kind: "retry" | "replay", was?: Before): ReceiptStep[] {
  const kept = was?.kept;
  const done = numbers(workflow.steps).get("COMPLETED") ?? 0;
  const isOver = hasEnded(workflow) && (!was || workflow.completed_at !== was.endedAt);
  const before = kind === "retry" ? (kept ?? 0) : 0;
  const again = workflow.steps.length - before;
  const asked: ReceiptStep =
    kind === "retry"
      ? {
          title: "Asked for",
          state: "ok",
          detail:
            kept === undefined ? undefined : `${plural(kept, "step")} had completed and did not run again.`,
        }
      : { title: "Accepted as a new workflow", state: "ok", at: workflow.created_at };
  const ran = Math.max(0, done - before);
  const isWell = workflow.status === "COMPLETED";
  return [
    asked,
    {
      title: `${count(ran)} of ${plural(again, "step")} completed`,
      state: ran === again ? "ok" : isOver ? "failed" : "open",
    },
    isOver
      ? {
          title: isWell ? "Proven: all of it completed" : `It ended as ${workflow.status.toLowerCase()}`,
          state: isWell ? "ok" : "failed",
          at: workflow.completed_at,
        }
      : { title: "Its end", state: "later" },
  ];
}
