import assert from "node:assert/strict";
import test from "node:test";
import {
  becameOf,
  listOfMade,
  othersOf,
  replaysOf,
  sentenceOfReplayed,
  wasReplayed,
} from "../src/logic/replays.ts";

const clock = { now: Date.parse("2026-11-28T12:00:00Z"), zone: "UTC" };
const event = (event_type: string, details: Record<string, unknown>) => ({
  timestamp: "2026-11-28T11:00:00Z",
  event_type,
  details,
});

test("before several are replayed it is said how many were before", () => {
  const clock = { now: Date.parse("2026-11-26T15:00:00Z"), zone: "UTC" };
  const one = { task_id: "a", replays: 2, last_replayed_at: "2026-11-26T14:02:11.2Z" };
  const other = { task_id: "b", replays: 1, last_replayed_at: "2026-11-26T14:01:00Z" };
  assert.equal(sentenceOfReplayed([], 3, clock), "");
  assert.match(sentenceOfReplayed([one], 3, clock), /^1 of them was replayed before, last at 14:02:11.2\./);
  assert.match(
    sentenceOfReplayed([other, one], 3, clock),
    /^2 of them were replayed before, last at 14:02:11.2\./,
  );
  assert.match(sentenceOfReplayed([one, other], 2, clock), /^All 2 were /);
});

test("what a bulk replay has made is listed from its first moment to its last", () => {
  const made = ["2026-11-26T14:02:11.000002Z", "2026-11-26T14:02:11Z"].map((at) => ({
    created_at: at,
  }));
  const query = new URLSearchParams(listOfMade(made).split("?")[1]);
  assert.deepEqual(Object.fromEntries(query), {
    is_replay: "true",
    created_after: "2026-11-26T14:02:11.000000Z",
    created_before: "2026-11-26T14:02:11.000003Z",
  });
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
