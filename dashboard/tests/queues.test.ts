import assert from "node:assert/strict";
import test from "node:test";
import type { QueueRow } from "../src/api/types.ts";
import {
  asHeard,
  beside,
  byNeed,
  courseOf,
  emptyIn,
  heldIn,
  isUnserved,
  sentenceOfForecast,
  sentenceOfQueue,
  sentenceOfQueues,
  sentenceOfScheduled,
  standingStill,
  takersOf,
  waitingIn,
  waysToConsume,
  whatIf,
} from "../src/logic/queues.ts";
import { queue } from "./queue-row.ts";

const now = Date.parse("2026-11-26T12:00:00Z");
const held = {
  service_name: "queue:payments",
  strategy: "queue_only",
  degraded_until: "2026-11-26T12:15:00Z",
  automatic: false,
};

test("those in need come first: nobody there, held back, growing, long, then by name", () => {
  const queues = [
    queue({ queue_name: "b10" }),
    queue({ queue_name: "b9" }),
    queue({ queue_name: "long", waiting: 5000 }),
    queue({ queue_name: "grows", waiting: 5, in_per_minute: 9 }),
    queue({ queue_name: "held", mark: held }),
    queue({ queue_name: "alone", waiting: 1, consumers: 0 }),
  ];
  assert.deepEqual(
    byNeed(queues).map((one) => one.queue_name),
    ["alone", "held", "grows", "long", "b9", "b10"],
  );
});

test("the list says what is wrong before it says how much waits", () => {
  const calm = queue({ waiting: 2, oldest_waiting_at: "2026-11-26T11:59:50Z" });
  const alone = queue({ queue_name: "etl", waiting: 812, consumers: 0 });
  assert.equal(sentenceOfQueues([], now), "No queue is known yet.");
  assert.equal(sentenceOfQueues([queue({}), queue({})], now), "Nothing waits in any of 2 queues.");
  assert.match(sentenceOfQueues([calm], now), /^2 tasks wait, the oldest for 10 s\. Every queue/);
  assert.equal(sentenceOfQueues([calm, alone], now), "Nobody consumes etl: 812 tasks wait.");
  assert.match(
    sentenceOfQueues([alone, queue({ mark: held })], now),
    /812 tasks wait\. payments is held back\.$/,
  );
});

test("a queue says why it does not move", () => {
  assert.equal(sentenceOfQueue(queue({}), now), "Nothing waits in it.");
  assert.match(
    sentenceOfQueue(queue({ mark: held, due: 3 }), now),
    /^Held back for 15 m more.*3 tasks so far/,
  );
  assert.match(sentenceOfQueue(queue({ waiting: null }), now), /those only who may see all/);
  assert.equal(
    sentenceOfQueue(queue({ waiting: 1, consumers: 0 }), now),
    "Nobody consumes it: 1 task waits.",
  );
  const of = (drift: number | null) => sentenceOfQueue(queue({ waiting: 9 }), now, { drift });
  assert.equal(of(32), "9 tasks wait, and more come than go: it grows by 32/min.");
  assert.equal(of(-2.25), "9 tasks wait. As it goes, it is empty in 4 m 00 s.");
  assert.match(of(0), /Nothing of it has started/);
  assert.equal(of(null), "9 tasks wait.");
});

test("a queue whose workers are all paused or draining says that", () => {
  const still = queue({ waiting: 2, consumers: 2, active_consumers: 0 });
  assert.equal(sentenceOfQueue(still, now), "All 2 workers that consume it take no tasks: 2 tasks wait.");
  assert.match(sentenceOfQueue({ ...still, consumers: 1 }, now), /^Its only worker takes no tasks/);
  assert.doesNotMatch(sentenceOfQueue({ ...still, active_consumers: 1 }, now), /still/);
  assert.equal(sentenceOfQueues([still], now), "No worker takes from payments: 2 tasks wait.");
});

test("those who take are told apart from those who do not", () => {
  const said = [
    [0, 0],
    [1, 1],
    [3, 3],
    [3, 1],
    [1, 0],
    [3, 0],
  ].map(([consumers, active]) => takersOf({ consumers: consumers!, active_consumers: active! }));
  assert.deepEqual(said, [
    "no worker",
    "1 worker",
    "3 workers",
    "1 of 3 workers",
    "1 worker, paused or draining",
    "3 workers, paused or draining",
  ]);
});

test("where a queue goes is said of this moment, and never of rates of what has been", () => {
  const burst = queue({ waiting: 57, in_per_minute: 70, out_per_minute: 70, empty_in_seconds: 4 });
  assert.deepEqual([courseOf(burst, null), emptyIn(burst, null)], ["unknown", "–"]);
  assert.deepEqual([courseOf(burst, -114), emptyIn(burst, -114)], ["falls", "30 s"]);
  assert.deepEqual([courseOf(burst, 0.5), emptyIn(burst, 0.5)], ["level", "holds its level"]);
  assert.deepEqual([courseOf(burst, 8), emptyIn(burst, 8)], ["grows", "it grows"]);
  assert.equal(emptyIn(queue({ waiting: 1 }), -100), "< 1 s");
});

test("nothing is foretold of what is held back or not taken, and never is told apart from not known", () => {
  const waits = queue({ waiting: 5 });
  assert.deepEqual([courseOf(waits, 0), emptyIn(waits, 0)], ["stuck", "never"]);
  const cases: [Partial<QueueRow>, string, string][] = [
    [{ mark: held, due: 118, waiting: 0 }, "held", "–"],
    [{ mark: held, due: 118 }, "held", "–"],
    [{ active_consumers: 0 }, "still", "never"],
    [{ consumers: 0 }, "still", "never"],
    [{ isUnheard: true }, "unknown", "–"],
    [{ waiting: null }, "unknown", "–"],
    [{ waiting: 0 }, "empty", "–"],
  ];
  for (const [over, course, cell] of cases) {
    const one = queue({ waiting: 5, out_per_minute: 40, ...over });
    assert.deepEqual([courseOf(one, -10), emptyIn(one, -10)], [course, cell]);
  }
  const why = (over: Partial<QueueRow>) => standingStill(queue({ waiting: 5, ...over }));
  assert.equal(why({}), "");
  assert.match(why({ mark: held }), /^It is held back/);
  assert.match(why({ active_consumers: 0 }), /^Its workers take no tasks/);
  assert.match(why({ consumers: 0 }), /^Nobody consumes it/);
  assert.match(why({ consumers: 0, isUnheard: true }), /^Workers are not heard/);
});

test("what is held back stands beside what waits", () => {
  const marked = queue({ mark: held, due: 118 });
  const late = queue({ queue_name: "etl", due: 39 });
  const row = { queue_name: "etl", task_name: "a", count: 9, oldest_due_at: "", held_by: ["task:a"] };
  const read = { data: [row], marks: [{ ...held, service_name: "task:a", count: 9 }] };
  const breaker = { service_name: "broker", strategy: "queue_only", automatic: true, degraded_until: null };
  const waits = { data: [{ ...row, held_by: ["broker"] }], marks: [{ ...breaker, count: 9 }] };
  assert.equal(beside([late], waits), "39 due");
  assert.equal(beside([queue({})], undefined), "");
  assert.equal(beside([marked], undefined), "118 held");
  assert.equal(beside([late], undefined), "39 due");
  assert.equal(beside([marked, late], read), "127 held + 30 due");
  assert.deepEqual([heldIn(late, read), heldIn(queue({ queue_name: "etl", due: 4 }), read)], [9, 4]);
  assert.equal(heldIn(queue({ mark: { ...held, strategy: "fail_fast" }, due: 2 }), undefined), 0);
});

test("what if: as many as run at once, as long as each takes, against what comes", () => {
  const long = { waiting: 800, in_per_minute: 40 };
  assert.deepEqual(whatIf(long, 4, 1), { outPerMinute: 240, emptyInSeconds: 240 });
  assert.deepEqual(whatIf(long, 0, 1), { outPerMinute: 0, emptyInSeconds: null });
  assert.deepEqual(whatIf({ waiting: 0, in_per_minute: 1 }, 1, 1), { outPerMinute: 60, emptyInSeconds: 0 });
  assert.equal(whatIf(long, 4, null), null);
  assert.equal(whatIf({ waiting: null, in_per_minute: 0 }, 4, 1), null);
  assert.equal(
    sentenceOfForecast(whatIf(long, 4, 1)!, 4),
    "With 4 tasks at once, up to 240/min would start: empty in 4 m 00 s.",
  );
  assert.match(sentenceOfForecast(whatIf(long, 0, 1)!, 0), /fewer than come/);
});

test("what waits in the broker is one figure, and what is not there yet is told apart", () => {
  const full = queue({ queue_name: "celery", waiting: 42, due: 5, consumers: 0, active_consumers: 0 });
  assert.equal(
    sentenceOfQueues([full], now),
    "Nobody consumes celery: 42 tasks wait, and 5 more are due and not yet handed to the broker.",
  );
  const late = queue({ waiting: 0, due: 1 });
  assert.match(sentenceOfQueues([late], now), /^1 task is due and not yet handed to the broker\. Every/);
  assert.equal(waitingIn([full, late]), 42);
  assert.equal(waitingIn([full, queue({ waiting: null })]), null);
});

test("what a mark of a name holds back in a queue is said, and no longer called late", () => {
  const heldBack = [
    { count: 4, held_by: ["task:pay"] },
    { count: 1, held_by: ["task:pay", "task:mail"] },
  ];
  assert.match(
    sentenceOfQueue(queue({ due: 7 }), now, { heldBack }),
    / 5 tasks more are held back, by the mark of pay, mail\. 2 tasks more are due and not handed/,
  );
  assert.doesNotMatch(sentenceOfQueue(queue({ due: 5 }), now, { heldBack }), /not handed/);
});

test("how a queue gets a consumer is said as it is: by itself, by a word to a worker, or by one that is started", () => {
  const of = (takers: string[], adopts: boolean, queue_name = "math") =>
    waysToConsume({ queue_name, takers, adopts });
  const command = "celery -A your_app worker -E -Q math";
  assert.deepEqual(of([], true), [{ text: "Start one:", command }]);
  const [first, second] = of(["celery@one"], true);
  assert.deepEqual(first, { text: "one knows what waits in it, and is told to consume it within seconds." });
  assert.deepEqual(second, { text: "Otherwise start one:", command });
  assert.equal(
    of(["celery@one"], false)[1]!.command,
    "celery -A your_app control add_consumer math -d celery@one",
  );
  assert.match(of([], false, "it's mine")[0]!.command!, / -Q 'it'\\''s mine'$/);
});

test("while workers are not heard, nobody is said not to take", () => {
  const alone = queue({ waiting: 8, consumers: 0 });
  const [unheard] = asHeard([alone], false);
  assert.deepEqual(asHeard([alone], true), [alone]);
  assert.deepEqual([isUnserved(alone), isUnserved(unheard!)], [true, false]);
  assert.deepEqual([takersOf(alone), takersOf(unheard!)], ["no worker", "not heard"]);
  const said = "Who takes it is not known: workers are not heard now.";
  assert.equal(sentenceOfQueue(unheard!, now), `8 tasks wait. ${said}`);
  assert.equal(
    sentenceOfQueue({ ...unheard!, waiting: 0 }, now),
    `As far as is known, nothing waits in it. ${said}`,
  );
  assert.equal(sentenceOfQueues([unheard!], now), `8 tasks wait. ${said}`);
});

test("what is scheduled is said with when the next is due, where that is known", () => {
  const said = (times: (string | null)[], total = times.length, isExact = true) =>
    sentenceOfScheduled(
      { total, total_is_exact: isExact, data: times.map((scheduled_at) => ({ scheduled_at })) },
      { now, zone: "UTC" },
    );
  assert.equal(sentenceOfScheduled(undefined, { now }), "");
  assert.equal(said([]), "");
  assert.equal(said(["2026-11-27T09:00:00Z"]), "1 scheduled, the next at 27 Nov 09:00.");
  assert.equal(
    said(["2026-11-26T15:00:00Z", null, "2026-11-26T14:00:00Z"]),
    "3 scheduled, the next at 14:00.",
  );
  assert.equal(said(["2026-11-26T15:00:00Z"], 900), "900 scheduled.");
  assert.equal(said(["2026-11-26T15:00:00Z"], 10000, false), "10,000+ scheduled.");
});
