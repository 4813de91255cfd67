import assert from "node:assert/strict";
import test from "node:test";
import { intervalOf, sentenceOfRunTimes } from "../src/logic/run-times.ts";
import type { RunTimes } from "../src/pages/names/types.ts";

const NOW = Date.parse("2026-01-25T15:00:00Z");
const CLOCK = { now: NOW, zone: "UTC" };
const runs = (count: number, p95: number | null = null, p50 = p95): RunTimes => ({
  runs: count,
  p50_duration_seconds: p50,
  p95_duration_seconds: p95,
});
const say = (last: RunTimes, before: RunTimes, since: string | null = null, silence = 0) =>
  sentenceOfRunTimes({ last_hour: last, hour_before: before, slower_since: since }, silence, CLOCK);

test("both hours stand side by side, and since when it is slower", () => {
  assert.equal(
    say(runs(300, 1.2), runs(200, 0.4)),
    "95 % took 1.2 s or less in the last hour; 400 ms in the hour before.",
  );
  assert.equal(
    say(runs(300, 1.2), runs(200, 0.4), "2026-01-25T14:23:00Z"),
    "Slower since about 14:23: 95 % took 1.2 s or less in the last hour; 400 ms in the hour before.",
  );
});

test("what is too little to say anything of is counted instead", () => {
  assert.equal(
    say(runs(19, 1.2, 0.4), runs(200, 0.4)),
    "Only 19 runs ended in the last hour, too few to say what 95 % take: half of them took 400 ms or less; 95 % took 400 ms or less in the hour before.",
  );
  assert.match(
    say(runs(1, 1.2), runs(0)),
    /^Only 1 run ended .*: it took 1\.2 s; none ended in the hour before\.$/,
  );
  assert.match(
    say(runs(20, 1.2), runs(19, 0.4)),
    /^95 % took 1\.2 s .*; only 19 ended in the hour before, too few to compare\.$/,
  );
});

test("where nothing ended it says so", () => {
  assert.equal(say(runs(0), runs(0)), "None of its runs has ended in these two hours.");
  assert.match(say(runs(0), runs(20, 0.4)), /^None .* in the last hour; 95 % took 400 ms .* before\.$/);
  assert.match(say(runs(30, 0.4), runs(0)), /; none ended in the hour before\.$/);
});

test("what was counted before durations were, by the minute, is not known", () => {
  assert.match(say(runs(30), runs(30)), /^How long .* is not known/);
  assert.match(say(runs(30, 0.4), runs(30)), /; of the hour before it is not known\.$/);
});

test("a stretch that was not heard is told", () => {
  assert.match(
    say(runs(300, 1.2), runs(200, 0.4), null, 720),
    / Nothing was heard for 12 m of these two hours: what ended then may be missing\.$/,
  );
});

test("buckets are as fine as they are told", () => {
  assert.deepEqual([1, 6, 24, 48, 168].map(intervalOf), [
    "minutely",
    "minutely",
    "hourly",
    "hourly",
    "daily",
  ]);
});
