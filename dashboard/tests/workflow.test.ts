import assert from "node:assert/strict";
import test from "node:test";
import { divergence, firstDifference, linesOf, moments } from "../src/logic/comparison.ts";
import {
  heldBy,
  pathSaid,
  proofOfRun,
  proofOfWorkflowCancel,
  sentenceOfWorkflow,
  tookOf,
  whyOf,
} from "../src/logic/workflow.ts";
import type { Comparison } from "../src/pages/compare/types.ts";
import type { StepDetail, Workflow } from "../src/pages/workflow/types.ts";

const NOW = Date.parse("2026-11-28T12:00:10Z");

const step = (id: string, status: string, over: Partial<StepDetail> = {}): StepDetail => ({
  id,
  task_id: `task-${id}`,
  status,
  task_name: "work",
  depends_on: [],
  queue_name: "celery",
  scheduled_at: null,
  created_at: null,
  started_at: null,
  completed_at: null,
  duration_seconds: null,
  retry_count: 0,
  max_retries: 3,
  worker_hostname: null,
  result: null,
  result_omitted: false,
  error: null,
  ...over,
});

const workflow = (
  status: Workflow["status"],
  steps: StepDetail[],
  over: Partial<Workflow> = {},
): Workflow => ({
  workflow_id: "w",
  name: "nightly",
  status,
  on_failure: "stop",
  created_at: "2026-11-28T12:00:00Z",
  started_at: "2026-11-28T12:00:00Z",
  completed_at: null,
  duration_seconds: null,
  retry_pause_seconds: 0,
  step_count: steps.length,
  unfinished_steps: 0,
  cancel_requested: false,
  original_workflow_id: null,
  steps,
  ...over,
});

test("a failed workflow is told by the step that failed first, and by what never ran", () => {
  const it = workflow("FAILED", [
    step("late", "FAILED", { completed_at: "2026-11-28T12:00:09Z", error: "Other" }),
    step("early", "FAILED", { completed_at: "2026-11-28T12:00:02Z", error: "Timeout: no answer\nmore" }),
    step("end", "SKIPPED"),
    step("begin", "COMPLETED"),
  ]);
  assert.equal(
    sentenceOfWorkflow(it, NOW),
    "early failed, the first of 2: Timeout: no answer. 1 of 4 steps completed, 1 skipped.",
  );
});

test("one on its way says what runs and what is amiss", () => {
  const steps = [step("a", "COMPLETED"), step("b", "RUNNING"), step("c", "PENDING"), step("d", "FAILED")];
  assert.equal(
    sentenceOfWorkflow(workflow("RUNNING", steps), NOW),
    "1 of 4 steps completed in 10 s, 1 runs, 1 waits for a worker. 1 failed: nothing new starts.",
  );
  const asked = workflow("RUNNING", steps, { cancel_requested: true });
  assert.match(sentenceOfWorkflow(asked, NOW), /A cancel was asked for/);
  assert.match(sentenceOfWorkflow(workflow("RUNNING", steps, { on_failure: "continue" }), NOW), /goes on/);
});

test("what ended well, was cancelled or has not begun is told in one sentence", () => {
  const done = [step("a", "COMPLETED")];
  assert.equal(
    sentenceOfWorkflow(
      workflow("COMPLETED", done, { completed_at: "2026-11-28T12:00:02Z", duration_seconds: 1 }),
      NOW,
    ),
    "Its one step completed in 2 s.",
  );
  assert.equal(
    sentenceOfWorkflow(workflow("CANCELLED", [step("a", "COMPLETED"), step("b", "SKIPPED")]), NOW),
    "Cancelled: 1 of 2 steps had completed, 1 skipped.",
  );
  assert.equal(
    sentenceOfWorkflow(workflow("PENDING", [step("a", "PENDING")], { started_at: null }), NOW),
    "None of its 1 step has started yet, 1 waits for a worker.",
  );
});

test("a step that was left out names its cause, near or far", () => {
  const steps = [
    step("bad", "FAILED"),
    step("near", "SKIPPED", { depends_on: ["bad"] }),
    step("far", "SKIPPED", { depends_on: ["near"] }),
    step("aside", "SKIPPED"),
    step("next", "WAITING", { depends_on: ["bad"] }),
  ];
  const it = workflow("FAILED", steps);
  assert.match(whyOf(steps[1]!, it), /needs bad, which failed/);
  assert.match(whyOf(steps[2]!, it), /what came of bad, which failed/);
  assert.match(whyOf(steps[3]!, it), /starts nothing new after a failure/);
  assert.equal(whyOf(steps[4]!, it), "It waits for bad, which failed.");
  assert.equal(whyOf(steps[0]!, it), "");
});

test("a step waited for the one that ended last", () => {
  const steps = [
    step("a", "COMPLETED", { completed_at: "2026-11-28T12:00:05Z" }),
    step("b", "COMPLETED", { completed_at: "2026-11-28T12:00:03Z" }),
  ];
  const byId = new Map(steps.map((one) => [one.id, one]));
  assert.equal(heldBy(step("c", "RUNNING", { depends_on: ["a", "b", "gone"] }), byId)?.id, "a");
});

test("the time until somebody retried it is told apart, in sentences and in how long it took", () => {
  const retried = { completed_at: "2026-11-28T12:03:50Z", retry_pause_seconds: 220 };
  const it = workflow("COMPLETED", [step("a", "COMPLETED"), step("b", "COMPLETED")], retried);
  assert.equal(sentenceOfWorkflow(it, NOW), "All 2 steps completed in 10 s, retried after 3 m 40 s.");
  assert.deepEqual(tookOf(it, NOW), { seconds: 10, isSoFar: false });
  const open = workflow("RUNNING", [step("a", "RUNNING")], { retry_pause_seconds: 4 });
  assert.deepEqual(tookOf(open, NOW), { seconds: 6, isSoFar: true });
  assert.equal(tookOf({ ...it, completed_at: null }, NOW).seconds, null);
});

test("what the critical path is stands in words: to the failure, to what runs, or to the end", () => {
  const graph = {
    edges_truncated: false,
    critical_path: ["load", "charge"],
    critical_path_leads_to: "failure",
    critical_path_seconds: 60,
    critical_path_waited_seconds: 5,
    critical_path_retry_pause_seconds: 0,
  } as const;
  const said = (over: object) => Object.values(pathSaid({ ...graph, ...over } as never)).join(" ");
  assert.equal(said({}), "The way to the failure of charge: 1 m 05 s in 2 steps: 1 m 00 s run, 5 s waited");
  assert.equal(
    said({ critical_path_leads_to: "now" }),
    "Critical path so far, to charge: 1 m 05 s in 2 steps: 1 m 00 s run, 5 s waited",
  );
  assert.match(
    said({ critical_path_retry_pause_seconds: 220 }),
    /1 m 05 s .* 5 s waited, retried after 3 m 40 s$/,
  );
  assert.match(said({ critical_path_leads_to: "end" }), /^Critical path, the slowest chain: 1 m 05 s/);
  assert.equal(said({ critical_path_leads_to: "nothing_yet" }), "The longest chain: 2 steps, none has run");
  assert.equal(said({ critical_path: [] }).trim(), "");
});

test("the receipt of a cancel is proven only by the end", () => {
  const open = workflow("RUNNING", [step("a", "RUNNING"), step("b", "SKIPPED")], { cancel_requested: true });
  assert.deepEqual(
    proofOfWorkflowCancel(open).map((one) => one.state),
    ["ok", "ok", "open", "later"],
  );
  const over = workflow("CANCELLED", [step("a", "CANCELLED")], { cancel_requested: true });
  assert.ok(proofOfWorkflowCancel(over).every((one) => one.state === "ok"));
  const late = workflow("COMPLETED", [step("a", "COMPLETED")], { cancel_requested: true });
  assert.equal(proofOfWorkflowCancel(late).at(-1)!.state, "failed");
  assert.deepEqual(proofOfWorkflowCancel(workflow("RUNNING", [])), []);
});

test("the receipt of a retry counts only what goes again, and takes no older end for its own", () => {
  const was = { kept: 1, endedAt: "2026-11-28T11:00:00Z" };
  const stale = workflow("FAILED", [step("a", "FAILED")], { completed_at: was.endedAt });
  assert.equal(proofOfRun(stale, "retry", was).at(-1)!.state, "later");
  const it = workflow("RUNNING", [step("a", "COMPLETED"), step("b", "COMPLETED"), step("c", "RUNNING")]);
  assert.equal(proofOfRun(it, "retry", was)[1]!.title, "1 of 2 steps completed");
  assert.equal(proofOfRun(it, "replay")[1]!.title, "2 of 3 steps completed");
  const bad = workflow("FAILED", [step("a", "COMPLETED"), step("b", "FAILED")]);
  assert.deepEqual(
    proofOfRun(bad, "retry", was).map((one) => one.state),
    ["ok", "failed", "failed"],
  );
});

const compared = (over: Partial<Comparison> = {}): Comparison => ({
  task_id1: "a",
  task_id2: "b",
  same_function: true,
  same_args: true,
  same_kwargs: true,
  same_priority: null,
  same_queue: true,
  same_status: false,
  same_worker: true,
  timing: {
    task1_duration: 1,
    task2_duration: 1.1,
    difference_seconds: 0.1,
    task1_wait: 0.01,
    task2_wait: 9,
  },
  arguments: [],
  arguments_truncated: false,
  events: { task1: [], task2: [] },
  ...over,
});
const side = (status: string) => ({
  task_name: "pay",
  status,
  queue_name: "celery",
  priority: null,
  worker_hostname: "w",
  retry_count: 0,
});

test("the first difference is told in the order of a task's life; what is not told is never called alike", () => {
  const it = compared();
  const lines = linesOf(it, side("FAILED"), side("COMPLETED"));
  assert.equal(lines.find((line) => line.name === "priority")!.isSame, null);
  assert.equal(lines.find((line) => line.name === "ran")!.isSame, true);
  assert.match(firstDifference(it, lines, []), /^The arguments are the same; first difference: waited/);
  const change = { op: "replace", path: "/task_kwargs/amount", old: 1, value: 2 } as const;
  assert.equal(firstDifference(it, lines, [change]), "First difference: the argument /task_kwargs/amount.");
  assert.match(
    firstDifference(compared({ arguments: null }), lines, []),
    /Celery does not tell all arguments/,
  );
  const others = linesOf(compared({ same_function: false }), side("FAILED"), side("FAILED"));
  assert.match(firstDifference(it, others, [change]), /different tasks/);
});

test("timelines are aligned, and part where they first tell different things", () => {
  const events = (...types: string[]) =>
    types.map((event_type, index) => ({ event_type, timestamp: new Date(NOW + index * 1000).toISOString() }));
  const a = moments(events("submitted", "started", "failed"), "start");
  assert.deepEqual(
    a.map((moment) => moment.at),
    [-1, 0, 1],
  );
  const b = moments(events("submitted", "started", "succeeded"), "submit");
  assert.equal(divergence(a, b), 2);
  assert.equal(divergence(a, a), -1);
  assert.deepEqual(moments([], "start"), []);
});
