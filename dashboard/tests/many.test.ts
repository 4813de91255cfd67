import assert from "node:assert/strict";
import { test } from "node:test";
import { outcomeOf, placeOfMade, stepsOfMany } from "../src/logic/many.ts";

const made = (task_id: string, created_at: string) => ({ task_id, created_at });
const first = made("a", "2026-11-28T11:02:11.5Z");
const second = made("b", "2026-11-28T11:02:12Z");

test("each step of a receipt of many is true as it stands, with why and how many", () => {
  const failures = [
    { message: "Not over." },
    { message: "Not over." },
    { message: "No arguments." },
    { message: "Celeriac does not answer.", isAway: true },
  ];
  const outcome = outcomeOf({ verb: "replay", all: 6, made: [first, second], failures, at: 0 });
  assert.deepEqual(stepsOfMany(outcome), [
    { title: "Replayed 2 tasks.", state: "ok" },
    { title: "Refused: 2 tasks. Not over.", state: "failed" },
    { title: "Refused: 1 task. No arguments.", state: "failed" },
    { title: "No answer: 1 task. Whether it was done is not known.", state: "failed" },
  ]);
});

test("nothing is said to be done where nothing was, and a second go is counted with the first", () => {
  const none = outcomeOf({ verb: "cancel", all: 1, made: [], failures: [{ message: "Over." }], at: 0 });
  assert.deepEqual(stepsOfMany(none), [{ title: "Refused: 1 task. Over.", state: "failed" }]);
  const one = outcomeOf({ verb: "replay", all: 1, made: [first], failures: [], at: 0 });
  const two = outcomeOf({ verb: "replay", all: 1, made: [second], failures: [], at: 9 }, one);
  assert.deepEqual(stepsOfMany(two), [{ title: "Replayed 2 tasks.", state: "ok" }]);
  assert.deepEqual([two.made, two.at], [[first, second], 9]);
});

test("what was made is led to: one by its id, many by their moment", () => {
  assert.equal(placeOfMade([]), null);
  assert.deepEqual(placeOfMade([first]), { label: "Open it", to: "/tasks/a" });
  assert.match(placeOfMade([first, second])?.to ?? "", /^\/tasks\?is_replay=true&created_after=/);
});
