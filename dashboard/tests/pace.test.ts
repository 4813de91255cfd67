import assert from "node:assert/strict";
import test from "node:test";
import { type Counted, endsOf, ratesOf, withinMinute } from "../src/logic/pace.ts";

const at = (seconds: number, done: number, failed: number): Counted => ({ at: seconds * 1000, done, failed });

test("rates that nobody tells are those of the last minute", () => {
  let counted: Counted[] = [];
  const add = (one: Counted) => {
    counted = withinMinute(counted, one);
    return ratesOf(counted);
  };
  assert.equal(add(at(0, 100, 10)), null);
  // What was counted for seconds is not told as if it had gone on for a minute.
  assert.equal(add(at(5, 110, 10)), null);
  assert.deepEqual(add(at(50, 150, 15)), { done: 1, failed: 0.1 });
  assert.deepEqual(add(at(65, 170, 9)), { done: 1, failed: 0 });
  assert.equal(add(at(200, 900, 90)), null);
});

test("what ends is told while it can be heard, and of nothing there is no share", () => {
  const told = { done_per_s: 3, failed_per_s: 1 };
  assert.deepEqual(endsOf(told, true), { done: 3, failed: 1, failedPercent: 25 });
  const unknown = { done: null, failed: null, failedPercent: null };
  assert.deepEqual(endsOf(told, false), unknown);
  assert.deepEqual(endsOf(null, true), unknown);
  assert.equal(endsOf({ done_per_s: 0, failed_per_s: 0 }, true).failedPercent, null);
});
