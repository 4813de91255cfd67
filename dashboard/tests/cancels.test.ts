import assert from "node:assert/strict";
import test from "node:test";
import { cancellable, restOf } from "../src/logic/cancels.ts";

const rows = (["PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"] as const).map((status) => ({
  task_id: status,
  status,
}));

test("only what has not ended can be cancelled, and what nobody knows may be", () => {
  const ids = rows.map((row) => row.task_id);
  assert.deepEqual(cancellable([...ids, "unknown"], rows), ["PENDING", "RUNNING", "unknown"]);
  assert.deepEqual(cancellable(["FAILED"], rows), []);
});

test("the question says of how many it is not", () => {
  assert.equal(restOf(2, 2), "");
  assert.equal(restOf(1, 2), "1 other has ended already, and cannot be cancelled.");
  assert.equal(restOf(1, 4), "3 others have ended already, and cannot be cancelled.");
});
