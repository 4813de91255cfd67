import assert from "node:assert/strict";
import test from "node:test";
import { axisOf, clearOf, placedOn, ticks, ticksOf } from "../src/logic/idle.ts";

const HOUR = 3_600_000;
const MINUTE = 60_000;

/** A workflow that failed within a minute, and was retried after seven hours for two. */
const RETRIED = [
  { from: 0, to: MINUTE },
  { from: 7 * HOUR, to: 7 * HOUR + 2 * MINUTE },
];

test("the idle hours before a late retry are cut, and the work takes nearly all of the axis", () => {
  const axis = axisOf(0, 7 * HOUR + 2 * MINUTE, RETRIED);
  assert.deepEqual(axis.cuts, [{ from: MINUTE, to: 7 * HOUR }]);
  assert.ok(axis.length < 3.2 * MINUTE);
  assert.equal(axis.placeOf(MINUTE), MINUTE);
  assert.equal(Math.round(axis.placeOf(7 * HOUR + 2 * MINUTE)), Math.round(axis.length));
});

test("what is kept is drawn to scale, in order, with the same length for the same time", () => {
  const axis = axisOf(0, 7 * HOUR + 2 * MINUTE, RETRIED);
  const places = [0, 30_000, MINUTE, 4 * HOUR, 7 * HOUR, 7 * HOUR + MINUTE, 7 * HOUR + 2 * MINUTE].map(
    axis.placeOf,
  );
  assert.deepEqual(
    [...places].sort((a, b) => a - b),
    places,
  );
  assert.equal(places[1]! - places[0]!, 30_000);
  assert.ok(Math.abs(places[5]! - places[4]! - MINUTE) < 1e-6);
});

test("a place leads back to its time, and a break to the time behind it", () => {
  const axis = axisOf(0, 7 * HOUR + 2 * MINUTE, RETRIED);
  for (const time of [0, 30_000, MINUTE, 7 * HOUR + 1, 7 * HOUR + MINUTE])
    assert.ok(Math.abs(axis.timeAt(axis.placeOf(time)) - time) < 1e-6);
  assert.equal(axis.timeAt(axis.placeOf(3 * HOUR)), 7 * HOUR);
});

test("pauses among the work stay, and so does an axis on which nothing was done", () => {
  const work = [0, 1, 2, 3].map((n) => ({ from: n * 20, to: n * 20 + 10 }));
  assert.deepEqual(axisOf(0, 70, work).cuts, []);
  assert.deepEqual(axisOf(0, HOUR, []).cuts, []);
  const plain = axisOf(5, 75, work);
  assert.deepEqual([plain.length, plain.placeOf(40)], [70, 35]);
});

test("of pauses that are alike either all are cut or none", () => {
  const runsOf = (each: number) => [0, 203, 405].map((at) => ({ from: at, to: at + each }));
  assert.equal(axisOf(0, 415, runsOf(10)).cuts.length, 2);
  assert.deepEqual(axisOf(0, 445, runsOf(40)).cuts, []);
});

test("of many stretches only long ones are cut", () => {
  const work = [
    { from: 0, to: 10 },
    { from: 400, to: 410 },
    { from: 415, to: 420 },
    { from: 1_000, to: 1_010 },
  ];
  assert.deepEqual(axisOf(0, 1_010, work).cuts, [
    { from: 10, to: 400 },
    { from: 420, to: 1_000 },
  ]);
});

test("idle time at either end is cut as well, and work that overlaps is counted once", () => {
  const work = [
    { from: 500, to: 520 },
    { from: 505, to: 530 },
  ];
  assert.deepEqual(axisOf(0, 1_000, work).cuts, [
    { from: 0, to: 500 },
    { from: 530, to: 1_000 },
  ]);
});

test("labels count anew behind a break, and none stands within it or out of sight", () => {
  const whole = { from: 0, to: 7 * HOUR + 2 * MINUTE };
  const axis = axisOf(whole.from, whole.to, RETRIED);
  const labels = ticksOf(axis, whole, { from: 0, to: axis.length }, 4);
  assert.ok(labels.length >= 2);
  assert.ok(labels.every(({ at, seconds }) => at >= 0.2 && at <= 1 && seconds <= 120));
  const behind = labels.filter(({ at }) => at * axis.length > axis.placeOf(7 * HOUR));
  for (const { at, seconds } of behind)
    assert.ok(Math.abs(at * axis.length - axis.placeOf(7 * HOUR + seconds * 1000)) < 1e-6);
  const zoomed = ticksOf(axis, whole, { from: axis.length / 2, to: axis.length }, 4);
  assert.ok(zoomed.length > 0 && zoomed.every(({ at }) => at >= 0 && at <= 1));
});

test("labels stand at whole units", () => {
  assert.deepEqual(ticks(0, 41_000, 5), [0, 10_000, 20_000, 30_000, 40_000]);
});

test("a bar is where its time is, and what is out of sight is not drawn", () => {
  const axis = axisOf(0, 100, [{ from: 0, to: 100 }]);
  const seen = { axis, part: { from: 50, to: 100 }, whole: { from: 0, to: 100 } };
  assert.deepEqual(placedOn(seen, { from: 75, to: 100 }), {
    left: "min(50%, 100% - 3px)",
    width: "max(3px, 50%)",
  });
  assert.deepEqual(placedOn(seen, { from: 0, to: 60 }), {
    left: "min(0%, 100% - 3px)",
    width: "max(3px, 20%)",
  });
  assert.deepEqual(placedOn(seen, { from: 0, to: 20 }), { display: "none" });
});

test("labels stand clear of the beginning and of each other, however narrow the axis is", () => {
  const labels = [0.2, 0.4, 0.6, 0.8, 1].map((at) => ({ at, seconds: at * 25 }));
  const places = (pixels: number) => clearOf(labels, pixels).map((label) => label.at);
  assert.deepEqual(places(1_000), [0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(places(340), [0.4, 0.6, 0.8, 1]);
  assert.deepEqual(places(200), [0.8]);
  assert.deepEqual(places(0), []);
});
