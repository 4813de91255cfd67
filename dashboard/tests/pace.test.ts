import assert from "node:assert/strict";
import test from "node:test";
import { type Counted, ratesOf, withinMinute } from "../src/logic/pace.ts";

const at = (seconds: number, done: number, failed: number): Counted => ({ at: seconds * 1000, done, failed });

test("rates that nobody tells are those of the last minute", () => {
  let counted: Counted[] = [];
  const add = (one: Counted) => {
    counted = withinMinute(counted, one);
    return ratesOf(counted);
  };
  assert.equal(add(at(0, 100, 10)), null);
  assert.deepEqual(add(at(5, 110, 10)), { done: 2, failed: 0 });
  assert.deepEqual(add(at(50, 150, 15)), { done: 1, failed: 0.1 });
  assert.deepEqual(add(at(65, 170, 9)), { done: 1, failed: 0 });
  assert.equal(add(at(200, 900, 90)), null);
});
