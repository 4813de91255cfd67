import assert from "node:assert/strict";
import test from "node:test";
import { chosenIds, withId } from "../src/logic/columns.ts";

const all = ["status", "name", "queue", "id"];
const usual = ["status", "name", "queue"];

test("an address names columns; where it names none that there is, the usual ones are shown", () => {
  assert.deepEqual(chosenIds("id,nonsense,status", all, usual), ["status", "id"]);
  assert.deepEqual(chosenIds(null, all, usual), usual);
  assert.deepEqual(chosenIds("nonsense", all, usual), usual);
});

test("a press shows a column or leaves it out, and the usual ones need no word", () => {
  assert.equal(withId(usual, "id", all, usual), "status,name,queue,id");
  assert.equal(withId(["status", "name", "queue", "id"], "id", all, usual), null);
  assert.equal(withId(usual, "name", all, usual), "status,queue");
  assert.equal(withId(["id"], "id", all, usual), null);
});
