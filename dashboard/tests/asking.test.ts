import assert from "node:assert/strict";
import test from "node:test";
import { type Asked, oldestFailed, retryAt, retryBack, waitOf } from "../src/logic/asking.ts";

const SECOND = 1_000;
const asked = (more: Partial<Asked> = {}): Asked => ({
  at: 0,
  tookMs: 20,
  failures: 0,
  retryAt: 0,
  isStale: false,
  every: 0,
  ...more,
});

test("a hint is followed once the last answer is two seconds old", () => {
  assert.equal(waitOf(asked({ isStale: true }), 500), 1_500);
  assert.equal(waitOf(asked({ isStale: true }), 60 * SECOND), 0);
});

test("what took long is asked for seldom, and never waits for minutes", () => {
  assert.equal(waitOf(asked({ isStale: true, tookMs: SECOND }), 0), 10 * SECOND);
  assert.equal(waitOf(asked({ isStale: true, tookMs: 11 * SECOND }), 0), 30 * SECOND);
});

test("hints do not put off what has failed, each second though they come", () => {
  const failed = asked({ failures: 2, retryAt: retryAt(2, 0, { spread: 0.5, told: null }) });
  const waits = [0, 1, 5, 9, 11].map((second) =>
    waitOf({ ...failed, isStale: second % 2 === 1 }, second * SECOND),
  );
  assert.deepEqual(waits, [10_000, 9_000, 5_000, 1_000, 0]);
});

test("the pauses after failures grow to thirty seconds, with a fifth more or less", () => {
  const pauses = [1, 2, 3, 4, 50].map((failures) => retryAt(failures, 0, { spread: 0.5, told: null }));
  assert.deepEqual(pauses, [5_000, 10_000, 20_000, 30_000, 30_000]);
  assert.equal(retryAt(1, 0, { spread: 0.5, told: 7 }), 12_000);
  assert.deepEqual(
    [retryAt(1, 0, { spread: 0, told: null }), Math.round(retryAt(1, 0, { spread: 1, told: null }))],
    [4_000, 6_000],
  );
});

test("once the API is back what has failed is tried at once, and twice in two seconds never", () => {
  const failed = asked({ failures: 4, retryAt: retryBack(10 * SECOND) });
  assert.equal(waitOf(failed, 40 * SECOND), 0);
  assert.equal(waitOf(failed, 10.5 * SECOND), 1_500);
});

test("polls come by themselves, rarer near the rate limit", () => {
  assert.equal(waitOf(asked({ every: 5_000 }), SECOND), 4 * SECOND);
  assert.equal(waitOf(asked({ every: 5_000 }), SECOND, 6), 29 * SECOND);
  assert.equal(waitOf(asked(), SECOND), null);
});

test("what could not be asked again is told by the oldest of it, and only where something is shown", () => {
  const error = new Error("503");
  const fresh = { at: 1, value: {}, error: undefined };
  assert.equal(oldestFailed([fresh, { at: 7, value: {}, error }, { at: 5, value: {}, error }])?.at, 5);
  assert.equal(oldestFailed([fresh, { at: 0, value: undefined, error }]), undefined);
});
