import assert from "node:assert/strict";
import test from "node:test";
import { driftOf, type Waited, withNewest } from "../src/logic/drift.ts";

const of = (...moments: [seconds: number, waiting: number][]) =>
  moments.reduce<Waited[]>(
    (kept, [seconds, waiting]) => withNewest(kept, { at: seconds * 1000, waiting }),
    [],
  );

test("where it goes is known from two moments, ten seconds apart at least", () => {
  assert.equal(driftOf([], 0), null);
  assert.equal(driftOf(of([0, 134]), 9_000), null);
  assert.equal(driftOf(of([0, 134], [5, 114]), 5_000), null);
  assert.equal(driftOf(of([0, 134], [15, 104]), 15_000), -120);
});

test("what was read holds until something else is read", () => {
  assert.equal(driftOf(of([0, 37]), 30_000), 0);
  assert.equal(driftOf(of([0, 37], [5, 40]), 120_000), 0);
  assert.equal(driftOf(of([0, 90], [30, 40], [61, 10], [95, 0]), 95_000), -40);
});
