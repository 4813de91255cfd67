import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ADVISED, adviceFor } from "../src/logic/advice.ts";

const page = readFileSync(new URL("../../docs/alerts.md", import.meta.url), "utf8");

test("a title says what its rule has seen, and no more", () => {
  const title = (type: string, subject: string | null = null) => adviceFor({ type, subject }).name;
  // A backlog: workers may well take others of the queue.
  assert.equal(title("TASKS_NOT_PICKED_UP", "etl"), "A task waits for a worker");
  // The threshold may be any number of workers.
  assert.equal(title("NO_ACTIVE_WORKERS"), "Too few workers are online");
  // The loops may be away, or the task be refused.
  assert.equal(title("DISPATCH_STALLED"), "Due tasks do not reach the broker");
  assert.equal(title("WORKER_OFFLINE"), "Workers have gone silent");
  assert.equal(title("WORKER_OFFLINE", "celery@w1"), "A worker has gone silent");
});

test("every type of alert that the documentation knows has advice, and no other", () => {
  const documented = [...page.matchAll(/^\*\*([A-Z_]+)\.\*\*/gm)].map((found) => found[1]);
  assert.ok(documented.length > 10);
  assert.deepEqual([...ADVISED].sort(), documented.sort());
});

test("what is to be done leads to the subject, whatever characters it has", () => {
  const steps = adviceFor({ type: "STUCK_TASKS", subject: "a&b" }).steps;
  assert.equal(steps[0]!.to, "/tasks?status=RUNNING&task_name=a%26b");
  assert.equal(
    adviceFor({ type: "TASKS_NOT_PICKED_UP", subject: "a/b?c" }).steps[0]!.to,
    "/queues/a%2Fb%3Fc",
  );
});

test("a type of a later version still has a name ", () => {
  assert.deepEqual(adviceFor({ type: "DISK_FULL", subject: "x" }), {
    name: "Disk full",
    steps: [],
  });
  assert.equal(adviceFor({ type: "constructor", subject: null }).name, "Constructor");
});

test("workers that somebody holds back are to be resumed, and nothing is said to be broken", () => {
  const description = "Number of online workers fell below 1: w1 was drained at 2026-11-26 12:00 UTC by ops";
  const { steps } = adviceFor({ type: "NO_ACTIVE_WORKERS", subject: null, description });
  assert.equal(steps.length, 1);
  assert.match(steps[0]!.text, /^Somebody wants it so. Resume /);
  assert.ok(
    adviceFor({ type: "NO_ACTIVE_WORKERS", subject: null, description: "fell below 1" }).steps.length > 1,
  );
});

test("a worker that was killed and is back need not be started", () => {
  const description = "Worker w1 ended without a goodbye, and was started again";
  const advice = adviceFor({ type: "WORKER_OFFLINE", subject: "w1", description });
  assert.equal(advice.name, "A worker ended without a goodbye");
  assert.equal(advice.steps[0]!.to, "/workers/w1");
  assert.doesNotMatch(advice.steps.map((step) => step.text).join(" "), /Start it/);
});
