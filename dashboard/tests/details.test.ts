import assert from "node:assert/strict";
import test from "node:test";
import { detailsOf } from "../src/logic/details.ts";

const lineOf = (details: Record<string, unknown>) =>
  detailsOf(details, clock)
    .map(({ word, text }) => `${word} ${text}`)
    .join(" · ");
const clock = { now: Date.parse("2026-11-28T12:00:00Z"), zone: "UTC" };

test("what an event tells is said in words, with its units, and without the id of the worker", () => {
  const ended = {
    worker_id: "3f",
    worker_hostname: "shop-1@host",
    attempt: 2,
    runtime: 0.34,
    exception: null,
  };
  assert.equal(lineOf(ended), "on shop-1@host · attempt 2 · ran 340 ms");
  assert.equal(lineOf({ dispatch_no: 1 }), "dispatch 1");
  assert.equal(lineOf({ eta: "2026-11-28T14:02:11.25Z" }), "not before 14:02:11.2");
});

test("what is not known is shown as it is told", () => {
  assert.equal(lineOf({ old_name: "a b", runtime: "long" }), "old name a b · ran long");
  assert.equal(lineOf({ labels: { a: 1 } }), 'labels {"a":1}');
});

test("the ids of other tasks are told apart, so that they can lead there", () => {
  const told = detailsOf({ new_task_id: "a b", parent_id: "c", attempt: 2 }, clock);
  assert.deepEqual(told, [
    { word: "as", text: "a b", isTask: true },
    { word: "parent id", text: "c", isTask: true },
    { word: "attempt", text: "2", isTask: false },
  ]);
});

test("a cancel names no signal that may have reached nothing, and one that is not usual only for what runs", () => {
  const clock = { now: Date.parse("2026-11-26T12:00:00Z"), zone: "UTC" };
  assert.deepEqual(detailsOf({ signal: "SIGTERM" }, clock), []);
  const said = (details: Record<string, unknown>) =>
    detailsOf(details, clock).map((one) => `${one.word} ${one.text}`);
  assert.deepEqual(said({ signal: "SIGKILL" }), ["if it runs, with SIGKILL"]);
  assert.deepEqual(said({ terminated: false, expired: false, reason: "taken out of its queue" }), [
    "reason taken out of its queue",
  ]);
  assert.deepEqual(said({ terminated: true, signum: 15 }), ["terminated true", "signum 15"]);
});
