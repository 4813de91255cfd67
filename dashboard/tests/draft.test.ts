import assert from "node:assert/strict";
import test from "node:test";
import { parseDraft, stepsOfDraft, timeOfField } from "../src/logic/draft.ts";
import { differences, MOST } from "../src/logic/patch.ts";

test("what is written wrong is told with its place", () => {
  const found = parseDraft("[1,\n  2 3]", "array");
  assert.equal(found.value, undefined);
  assert.deepEqual([found.line, found.column], [2, 5]);
  assert.ok(found.problem && !found.problem.includes("position"));
  const open = parseDraft("[1,", "array");
  assert.equal(open.line, 1);
});

test("an empty field is an empty value, and a wrong kind is refused", () => {
  assert.deepEqual(parseDraft(" ", "array"), { value: [] });
  assert.deepEqual(parseDraft("", "object"), { value: {} });
  assert.match(parseDraft("{}", "array").problem!, /list/);
  assert.match(parseDraft("[]", "object").problem!, /object/);
  assert.match(parseDraft("null", "object").problem!, /object/);
});

test("every digit is kept", () => {
  assert.deepEqual(parseDraft("[1970670598291982290]", "array").value, [1970670598291982290n]);
});

test("a draft of a workflow tells what its steps wait for, by name and by reference", () => {
  const steps = stepsOfDraft({
    steps: [
      { id: "a", task_name: "x" },
      { id: "b", task_name: "y", depends_on: ["a"] },
      { id: "c", task_name: "z", task_args: [{ deep: { $result: "b", pointer: "/0" } }] },
    ],
  });
  assert.deepEqual(
    steps?.map((step) => step.depends_on),
    [[], ["a"], ["b"]],
  );
  assert.equal(stepsOfDraft({ steps: [{ task_name: "without id" }] }), null);
  assert.equal(stepsOfDraft(null), null);
});

test("a patch leads from the first value to the second", () => {
  const found = differences(
    { amount: 99.99, gone: 1, list: [1, 2, 3], "a/b~c": 1 },
    { amount: 12.1, list: [1, 5], "a/b~c": 2, fresh: null },
    "/task_kwargs",
  );
  assert.deepEqual(found, [
    { op: "replace", path: "/task_kwargs/amount", old: 99.99, value: 12.1 },
    { op: "remove", path: "/task_kwargs/gone", old: 1 },
    { op: "replace", path: "/task_kwargs/list/1", old: 2, value: 5 },
    { op: "remove", path: "/task_kwargs/list/2", old: 3 },
    { op: "replace", path: "/task_kwargs/a~1b~0c", old: 1, value: 2 },
    { op: "add", path: "/task_kwargs/fresh", value: null },
  ]);
  assert.deepEqual(differences([1n, "x"], [1n, "x"]), []);
  assert.equal(differences(Array(5_000).fill(0), Array(5_000).fill(1)).length, MOST);
});

test("a time of a field is taken in the zone that is shown", () => {
  assert.equal(timeOfField("2026-11-28T14:00", true), "2026-11-28T14:00:00.000Z");
  assert.equal(timeOfField("", true), null);
  assert.equal(timeOfField("nonsense", true), null);
});
