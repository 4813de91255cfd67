import assert from "node:assert/strict";
import test from "node:test";
import type { Gap, Resilience } from "../src/api/types.ts";
import { lookOf } from "../src/logic/status.ts";
import {
  detailOf,
  effectOf,
  meaningOf,
  nameOfMarked,
  nameOfPart,
  pathOfService,
  sentenceOfGaps,
  sentenceOfSystem,
  silenceOf,
  standingOf,
  wordOfMark,
} from "../src/logic/system.ts";

const now = Date.parse("2026-11-26T12:00:00Z");
const part = (name: string, status = "healthy") => ({
  name,
  status,
  since: "2026-11-26T11:56:00Z",
  detail: null,
});
const system = (over: Partial<Resilience>): Resilience => ({
  system_health: { components_total: 2, healthy: 2, unhealthy: 0 },
  degradation: { degraded_services_count: 0, services: [], marks: [] },
  resilience_score: 100,
  components: [part("database"), part("broker")],
  other_parts: [],
  mirror: { lag_seconds: 0.4, gaps_24h: 0 },
  ...over,
});
const gap = (from: string, to: string): Gap => ({
  gap_id: from,
  source: "broker",
  started_at: `2026-11-26T${from}Z`,
  ended_at: `2026-11-26T${to}Z`,
  seconds: 0,
});

test("what does not answer is said first, with what it means", () => {
  assert.equal(sentenceOfSystem(system({}), undefined, now), "All 2 parts answer, and nothing is held back.");
  const down = system({ components: [part("database"), part("broker", "unhealthy")] });
  assert.equal(
    sentenceOfSystem(down, undefined, now),
    "Broker: no answer for 4 m 00 s. Submissions are accepted and wait. Nothing is lost.",
  );
  const both = system({ components: [part("database", "unhealthy"), part("broker", "unhealthy")] });
  assert.match(
    sentenceOfSystem(both, undefined, now),
    /^Database and Broker do not answer\. New tasks are refused/,
  );
  assert.match(
    sentenceOfSystem(system({ other_parts: [part("loops", "unknown")] }), undefined, now),
    /lately of loops/,
  );
});

test("marks are told, and a mark is no broken part", () => {
  const mark = { service_name: "queue:a/b", strategy: "queue_only", degraded_until: null, automatic: false };
  const it = system({
    degradation: { degraded_services_count: 1, services: [mark.service_name], marks: [mark] },
  });
  assert.equal(sentenceOfSystem(it, undefined, now), "All 2 parts answer, and 1 hold is in force.");
  assert.match(effectOf(mark), /kept/);
  assert.equal(pathOfService("queue:a/b"), "/queues/a%2Fb");
  assert.equal(pathOfService("task:x"), "/names/x");
  assert.equal(pathOfService("database"), null);
  assert.equal(nameOfPart("new_thing"), "New thing");
});

test("silence is counted once, and only within the window", () => {
  const gaps = [gap("11:00:00", "11:01:00"), gap("11:00:30", "11:02:00"), gap("09:00:00", "09:59:59")];
  assert.equal(silenceOf(gaps, Date.parse("2026-11-26T10:00:00Z"), now), 120);
  assert.match(
    sentenceOfGaps([gap("11:00:00", "11:02:00")], 1, now),
    /^1 stretch .* was not heard, 2 m 00 s in all/,
  );
  assert.equal(sentenceOfGaps([], 0, now), "No gap is known in the last 24 hours.");
});

test("what is amiss with the whole is named, and what is shown is old where nothing new comes in", () => {
  const degraded = (checks: Record<string, string>) => ({ status: "degraded" as const, checks });
  assert.equal(standingOf(undefined, null, now), null);
  assert.equal(standingOf({ status: "healthy", checks: {} }, null, now), null);
  const database = standingOf({ status: "unhealthy", checks: {} }, null, now)!;
  assert.deepEqual([database.tone, database.isOld, database.since], ["failed", true, null]);
  const broker = standingOf(degraded({ broker: "unhealthy", mirror: "healthy" }), 9, now)!;
  assert.equal(broker.text, "Broker: no answer. Submissions are accepted and wait. Nothing is lost.");
  assert.deepEqual([broker.isOld, broker.since], [false, null]);
  const unheard = degraded({ broker: "unhealthy", workers: "unhealthy", mirror: "unknown" });
  const mirror = standingOf(unheard, 9, now)!;
  assert.equal(
    mirror.text,
    "Broker and Mirror do not answer. Submissions are accepted and wait. Nothing is lost. What is shown is not updated.",
  );
  assert.deepEqual([mirror.isOld, mirror.since], [true, now - 9_000]);
  assert.match(standingOf(degraded({}), null, now)!.text, /^A part of the system/);
});

test("what is marked is told in words, and not in those of the API", () => {
  assert.equal(wordOfMark({ strategy: "queue_only" }), "held back");
  assert.equal(wordOfMark({ strategy: "fail_fast" }), "refused");
  assert.equal(wordOfMark({ strategy: "return_cached" }), "old answers");
  assert.equal(detailOf("marked return_cached"), "marked: old answers");
  assert.equal(detailOf("connection refused"), "connection refused");
  assert.equal(nameOfMarked("queue:mail"), "queue mail");
  assert.equal(nameOfMarked("task:shop.pay"), "tasks named shop.pay");
  assert.equal(nameOfMarked("result_backend"), "Result backend");
  const waits = lookOf("dispatching");
  assert.equal(waits.word, "not sent yet");
  assert.match(waits.meaning ?? "", /outbox/);
});

test("what is known only through a part that is down is not told as a fact", () => {
  assert.equal(meaningOf("workers", "unhealthy", ["workers"]), "Nothing starts. What is submitted waits.");
  for (const down of [
    ["broker", "workers"],
    ["mirror", "workers"],
  ])
    assert.equal(meaningOf("workers", "unhealthy", down), "Not heard: whether they run is not known.");
  assert.equal(meaningOf("mirror", "unhealthy", ["broker", "mirror"]), "What is shown is not updated.");
  assert.equal(meaningOf("mirror", "unhealthy", ["mirror"]), "Tasks run, and what is shown is not updated.");
});
