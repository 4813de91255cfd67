import assert from "node:assert/strict";
import test from "node:test";
import {
  about,
  ago,
  between,
  count,
  duration,
  percent,
  period,
  perMinute,
  shortId,
  time,
} from "../src/logic/format.ts";

test("between two times lie microseconds too", () => {
  const took = (from: string, to: string) => between(`2026-11-29T12:00:${from}`, `2026-11-29T12:00:${to}`);
  assert.ok(Math.abs(took("00.000100Z", "00.000800Z")! - 0.0007) < 1e-7);
  assert.equal(took("01Z", "02.5Z"), 1.5);
  assert.equal(between(null, "2026-11-29T12:00:00Z"), null);
});

test("durations are said in the units that a person would choose", () => {
  const said: [number | null, string][] = [
    [null, "–"],
    [0, "0 s"],
    [0.0004, "0.4 ms"],
    [0.000045, "45 µs"],
    [0.0012, "1.2 ms"],
    [0.0099, "9.9 ms"],
    [0.00996, "10 ms"],
    [0.34, "340 ms"],
    [1.31, "1.31 s"],
    [1.3, "1.3 s"],
    [41.24, "41.2 s"],
    [59.97, "1 m 00 s"],
    [125, "2 m 05 s"],
    [11_520, "3 h 12 m"],
    [3_599.9, "1 h 00 m"],
    [16_401_600, "189 d 20 h"],
  ];
  for (const [seconds, words] of said) assert.equal(duration(seconds), words);
});

test("what is round is said with one unit, and what is not with two", () => {
  const said: [number | null, string][] = [
    [null, "–"],
    [0, "0 s"],
    [0.02, "20 ms"],
    [30, "30 s"],
    [60, "1 m"],
    [90, "1 m 30 s"],
    [14_400, "4 h"],
    [14_460, "4 h 01 m"],
    [86_400, "1 d"],
    [172_800 + 36_000, "2 d 10 h"],
  ];
  for (const [seconds, words] of said) assert.equal(period(seconds), words);
});

test("what is not known is a dash, and nothing is 0", () => {
  assert.equal(count(null), "–");
  assert.equal(count(0), "0");
  assert.equal(percent(null), "–");
  assert.equal(percent(0), "0 %");
  assert.equal(perMinute(null), "–");
});

test("counts that are not exact say so", () => {
  assert.equal(count(10_000, false), "10,000+");
  assert.equal(count(1_204), "1,204");
});

test("percents have one decimal below ten, and a little is not nothing", () => {
  assert.equal(percent(0.61), "0.6 %");
  assert.equal(percent(22.4), "22 %");
  assert.equal(percent(0.01), "<0.1 %");
});

test("a time is short today, and whole on other days", () => {
  const clock = { now: Date.parse("2026-11-26T15:00:00Z"), zone: "UTC" };
  assert.equal(time("2026-11-26T14:02:11.234Z", clock), "14:02:11.2");
  assert.equal(time("2026-11-25T14:02:11Z", clock), "25 Nov 14:02");
  assert.equal(time("2025-11-25T14:02:11Z", clock), "25 Nov 2025 14:02");
  assert.equal(time("nonsense", clock), "–");
  assert.equal(ago("2026-11-26T14:57:00Z", clock), "3 m ago");
  assert.equal(ago("2026-11-26T17:00:00Z", clock), "in 2 h");
});

test("sentences use one unit", () => {
  assert.equal(about(240), "4 m 00 s");
  assert.equal(about(0.2), "less than a second");
});

test("a long id is its beginning and its end", () => {
  assert.equal(shortId("01a2069e-9431-7000-8000-000000000041"), "01a2069e…0041");
  assert.equal(shortId("short"), "short");
});
