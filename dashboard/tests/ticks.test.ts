import assert from "node:assert/strict";
import test from "node:test";
import { type Measure, STEPS_OF_TIME, ticksOf } from "../src/logic/ticks.ts";

test("ticks of short times are told apart, and say what their place is", () => {
  assert.deepEqual(ticksOf([0, 0.0005, 0.001], "seconds"), ["0", "0.5 ms", "1.0 ms"]);
  assert.deepEqual(ticksOf([0, 0.0025, 0.005, 0.0075], "seconds"), ["0", "2.5 ms", "5.0 ms", "7.5 ms"]);
  assert.deepEqual(ticksOf([0, 0.000002], "seconds"), ["0", "2 µs"]);
  assert.deepEqual(ticksOf([0, 0.1, 0.2, 0.30000000000000004], "seconds"), [
    "0",
    "100 ms",
    "200 ms",
    "300 ms",
  ]);
});

test("ticks of an axis are of one unit until they are minutes", () => {
  assert.deepEqual(ticksOf([0, 0.5, 1, 1.5], "seconds"), ["0", "0.5 s", "1.0 s", "1.5 s"]);
  assert.deepEqual(ticksOf([0, 30, 60, 90], "seconds"), ["0", "30 s", "1 m", "1 m 30 s"]);
  assert.deepEqual(ticksOf([0, 7_200, 14_400], "seconds"), ["0", "2 h", "4 h"]);
});

test("ticks of shares have the digits that they need", () => {
  assert.deepEqual(ticksOf([0, 0.02, 0.04], "percent"), ["0", "0.02 %", "0.04 %"]);
  assert.deepEqual(ticksOf([0, 50, 100], "percent"), ["0", "50 %", "100 %"]);
  assert.deepEqual(ticksOf([], "percent"), []);
});

test("no two ticks of any round step read alike", () => {
  const shares = [-3, -2, -1, 0, 1].flatMap((power) => [1, 2, 2.5, 5].map((digit) => digit * 10 ** power));
  const steps: Record<Measure, readonly number[]> = { seconds: STEPS_OF_TIME, percent: shares };
  for (const [measure, all] of Object.entries(steps) as [Measure, readonly number[]][])
    for (const step of all)
      for (let many = 2; many <= 12; many += 1) {
        const places = [...Array(many).keys()].map((at) => at * step);
        const said = ticksOf(places, measure);
        assert.equal(new Set(said).size, many, `${measure} ${step}: ${said}`);
      }
});
