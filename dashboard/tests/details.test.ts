import assert from "node:assert/strict";
import test from "node:test";
import { detailsOf } from "../src/logic/details.ts";

const clock = { now: Date.parse("2026-11-28T12:00:00Z"), zone: "UTC" };

test("what an event tells is said in words, with its units, and without the id of the worker", () => {
  const ended = {
    worker_id: "3f",
    worker_hostname: "shop-1@host",
    attempt: 2,
    runtime: 0.34,
    exception: null,
  };
  assert.equal(detailsOf(ended, clock), "on shop-1@host · attempt 2 · ran 340 ms");
  assert.equal(detailsOf({ dispatch_no: 1 }, clock), "dispatch 1");
  assert.equal(detailsOf({ eta: "2026-11-28T14:02:11.25Z" }, clock), "not before 14:02:11.2");
});

test("what is not known is shown as it is told", () => {
  assert.equal(detailsOf({ new_task_id: "a b", runtime: "long" }, clock), "new task id a b · ran long");
  assert.equal(detailsOf({ labels: { a: 1 } }, clock), 'labels {"a":1}');
});
