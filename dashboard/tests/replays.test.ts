import assert from "node:assert/strict";
import test from "node:test";
import { becameOf, othersOf, replaysOf, wasReplayed } from "../src/logic/replays.ts";

const clock = { now: Date.parse("2026-11-28T12:00:00Z"), zone: "UTC" };
const event = (event_type: string, details: Record<string, unknown>) => ({
  timestamp: "2026-11-28T11:00:00Z",
  event_type,
  details,
});

test("the replays of a task are those that its events name, the newest first", () => {
  const events = [
    event("failed", { new_task_id: "no" }),
    event("replayed", { new_task_id: "first" }),
    event("replayed", { new_task_id: "second" }),
    event("replayed", {}),
  ];
  assert.deepEqual(replaysOf(events), ["second", "first"]);
  assert.deepEqual(replaysOf([]), []);
});

test("what became of a replay is said with its time once it has ended", () => {
  const ended = { status: "COMPLETED", phase: "finished", completed_at: "2026-11-28T11:02:11Z" };
  assert.equal(becameOf(ended, clock), "completed at 11:02:11.0");
  assert.equal(becameOf({ ...ended, status: "FAILED" }, clock), "failed at 11:02:11.0");
  assert.equal(becameOf({ status: "RUNNING", phase: "running", completed_at: null }, clock), "is running");
  assert.equal(becameOf({ status: "PENDING", phase: "queued", completed_at: null }, clock), "is queued");
  const unknown = { ...ended, status: "CANCELLED", outcome: "unknown" };
  assert.equal(becameOf(unknown, clock), "ended at 11:02:11.0, how is not known");
  assert.equal(becameOf({ ...unknown, completed_at: null }, clock), "ended, how is not known");
  assert.equal(becameOf(undefined, clock), "");
});

test("the replays before the newest are counted, where there are any", () => {
  assert.equal(othersOf(["a"]), "");
  assert.equal(othersOf(["c", "b", "a"]), "and 2 before");
});

test("a task was not replayed only where every event of it is known", () => {
  const of = (events: ReturnType<typeof event>[], events_left_out = 0) =>
    wasReplayed({ task_id: "old", complete: true, truncated: false, events_left_out, events });
  assert.equal(of([event("failed", {})]), "no");
  assert.equal(of([event("failed", {})], 3), "unknown");
  assert.equal(wasReplayed(undefined), "unknown");
  // A key with limits is not told the id of what lies outside.
  assert.equal(of([event("replayed", {})], 3), "yes");
});
