import assert from "node:assert/strict";
import test from "node:test";
import { failingOf, found, sentenceOfName, sentenceOfNames, sorted } from "../src/logic/names.ts";
import type { NameDetail, NameRow } from "../src/pages/names/types.ts";

const name = (over: Partial<NameRow>): NameRow => ({
  task_name: "pay",
  submitted: 10,
  completed: 10,
  failed: 0,
  cancelled: 0,
  average_wait_seconds: null,
  average_duration_seconds: null,
  p50_duration_seconds: 0.4,
  p95_duration_seconds: 2.1,
  completion_rate: 100,
  ended_per_minute: 0,
  last_hour: { runs: 0, p50_duration_seconds: null, p95_duration_seconds: null },
  hour_before: { runs: 0, p50_duration_seconds: null, p95_duration_seconds: null },
  is_slower: false,
  known_by: 1,
  acks_late: null,
  max_retries: null,
  ...over,
});
const worker = (hostname: string, knows: boolean) => ({
  worker_id: hostname,
  hostname,
  knows,
  acks_late: null,
  max_retries: null,
});
const detail = (over: Partial<NameDetail>): NameDetail => ({
  ...name({}),
  workers: [worker("one", true), worker("two", true)],
  latest_failure: null,
  slower_since: null,
  ...over,
});
const names = (rows: readonly NameRow[]) => rows.map((row) => row.task_name);

test("a rate of nothing is not known", () => {
  assert.equal(failingOf(name({ completion_rate: null })), null);
  assert.equal(failingOf(name({ completion_rate: 97.5 })), 2.5);
});

test("the list says which names nobody knows and which fail", () => {
  const say = (...rows: NameRow[]) => sentenceOfNames(rows, "in 24 hours");
  assert.equal(say(), "No name is known yet.");
  assert.equal(say(name({})), "Tasks of 1 name ended in 24 hours; none failed.");
  assert.equal(
    say(name({}), name({ task_name: "process_payment", completion_rate: 80, failed: 2 })),
    "Tasks of 2 names ended in 24 hours; process_payment fails most: 20 %.",
  );
  assert.match(say(name({ completed: 0, completion_rate: null })), /^1 name is known; none of them ended/);
  assert.equal(say(name({ known_by: 0 })), "No worker that is online knows pay.");
  assert.equal(say(name({ completion_rate: 40, failed: 6 })), "pay fails 60 % of the time.");
  const two = [
    name({ completion_rate: 40, failed: 6 }),
    name({ task_name: "mail", completion_rate: 1, failed: 99 }),
  ];
  assert.match(say(...two), /^2 names fail .* mail most of all\.$/);
  assert.doesNotMatch(say(name({ known_by: 0, submitted: 0 })), /knows/);
});

test("what fails most is named, whatever else there is to say, and not for a few runs", () => {
  const say = (...rows: NameRow[]) => sentenceOfNames(rows, "in 24 hours");
  const payment = name({ task_name: "process_payment", completed: 810, failed: 190, completion_rate: 81 });
  assert.match(say(payment, name({ known_by: 0 })), /knows pay\. process_payment fails most: 19 %\.$/);
  assert.match(say(payment, slower("mail", 1.2, 0.4)), /^process_payment fails most: 19 %\. mail takes/);
  const once = name({ task_name: "once", completed: 0, failed: 1, completion_rate: 0 });
  assert.equal(say(once, payment), "Tasks of 2 names ended in 24 hours; process_payment fails most: 19 %.");
  assert.doesNotMatch(say(name({}), slower("mail", 1.2, 0.4)), /fails/);
});

const slower = (task_name: string, now: number, then: number) =>
  name({
    task_name,
    is_slower: true,
    last_hour: { runs: 30, p50_duration_seconds: now, p95_duration_seconds: now },
    hour_before: { runs: 30, p50_duration_seconds: then, p95_duration_seconds: then },
  });

test("the list says which names have become slower", () => {
  const say = (...rows: NameRow[]) => sentenceOfNames(rows, "in 24 hours");
  assert.equal(
    say(name({}), slower("mail", 1.2, 0.4)),
    "mail takes longer: 95 % took 1.2 s or less in the last hour, 400 ms in the one before.",
  );
  assert.equal(
    say(slower("mail", 8, 4), slower("pay", 1.2, 0.4)),
    "2 names take longer than in the hour before, pay most of all.",
  );
  assert.match(
    say(name({ completion_rate: 40, failed: 6 }), slower("mail", 1.2, 0.4)),
    /^pay fails .* mail takes/,
  );
});

test("names stand in the order that was chosen, those that nobody knows before all", () => {
  const rows = [
    name({ task_name: "b" }),
    name({ task_name: "a", completed: 5, completion_rate: 50, p95_duration_seconds: 9 }),
    name({ task_name: "c", known_by: 0, completed: 0, completion_rate: null, p95_duration_seconds: null }),
  ];
  assert.deepEqual(names(sorted(rows, "busiest")), ["c", "b", "a"]);
  assert.deepEqual(names(sorted(rows, "failing")), ["c", "a", "b"]);
  assert.deepEqual(names(sorted(rows, "slowest")), ["c", "a", "b"]);
  assert.deepEqual(names(sorted(rows, "name")), ["c", "a", "b"]);
  assert.deepEqual(names(found(rows, " A")), ["a"]);
});

test("a name says who does not know it, and how its tasks fare", () => {
  assert.equal(
    sentenceOfName(detail({})),
    "10 tasks ended in 24 hours, and none failed; half took less than 400 ms.",
  );
  assert.match(
    sentenceOfName(detail({ is_slower: true })),
    /^Its runs take longer than in the hour before\. 10/,
  );
  assert.match(
    sentenceOfName(detail({ workers: [worker("two", false), worker("one", true)] })),
    /^two does not know it\./,
  );
  assert.match(
    sentenceOfName(detail({ workers: [worker("two", false)] })),
    /^No worker that is online knows it/,
  );
  assert.match(sentenceOfName(detail({ workers: [] })), /^No worker is online\./);
  assert.match(sentenceOfName(detail({ completed: 0, failed: 0 })), /None of its tasks has ended/);
  assert.match(
    sentenceOfName(detail({ failed: 10, completion_rate: 50 })),
    /20 tasks ended in 24 hours, 50 % of them failed/,
  );
});
