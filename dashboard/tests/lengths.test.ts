import assert from "node:assert/strict";
import test from "node:test";
import { runOf, waitOf } from "../src/logic/lengths.ts";

const start = Date.parse("2026-11-26T12:00:00Z");
const at = (seconds: number) => new Date(start + seconds * 1000).toISOString();
const now = start + 60_400;
const task = (over: object) => ({
  status: "PENDING",
  created_at: at(0),
  scheduled_at: null,
  started_at: null,
  duration_seconds: null,
  ...over,
});
const known = (seconds: number | null) => ({ seconds, isSoFar: false });

test("what waits has waited so far, from when it was due", () => {
  assert.deepEqual(waitOf(task({}), now), { seconds: 60, isSoFar: true });
  assert.deepEqual(waitOf(task({ scheduled_at: at(50) }), now), { seconds: 10, isSoFar: true });
  assert.deepEqual(waitOf(task({ scheduled_at: at(90) }), now), known(null));
  assert.deepEqual(waitOf(task({ scheduled_at: "2020-01-01T00:00:00Z" }), now), {
    seconds: 60,
    isSoFar: true,
  });
  assert.deepEqual(runOf(task({}), now), known(null));
});

test("what runs has run so far, and its wait is over", () => {
  const runs = task({ status: "RUNNING", phase: "running", started_at: at(20) });
  assert.deepEqual(waitOf(runs, now), known(20));
  assert.deepEqual(runOf(runs, now), { seconds: 40, isSoFar: true });
  assert.deepEqual(runOf({ ...runs, phase: undefined }, now), { seconds: 40, isSoFar: true });
  assert.deepEqual(runOf({ ...runs, phase: "retrying" }, now), known(null));
  assert.deepEqual(runOf({ ...runs, started_at: at(70) }, now), { seconds: 0, isSoFar: true });
});

test("what has ended is told by what is known", () => {
  const done = task({ status: "COMPLETED", started_at: at(2), duration_seconds: 3.5 });
  assert.deepEqual([waitOf(done, now), runOf(done, now)], [known(2), known(3.5)]);
  assert.deepEqual(waitOf({ ...done, scheduled_at: "2020-01-01T00:00:00Z" }, now), known(2));
  assert.deepEqual(waitOf({ ...done, started_at: at(-1) }, now), known(0));
  const never = task({ status: "CANCELLED" });
  assert.deepEqual([waitOf(never, now), runOf(never, now)], [known(null), known(null)]);
  assert.deepEqual(waitOf(task({ created_at: null }), now), known(null));
});
