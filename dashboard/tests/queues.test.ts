import assert from "node:assert/strict";
import test from "node:test";
import {
  byNeed,
  courseOf,
  emptyIn,
  sentenceOfForecast,
  sentenceOfQueue,
  sentenceOfQueues,
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
  assert.match(
    sentenceOfQueue(queue({ waiting: 9, in_per_minute: 40, out_per_minute: 8 }), now),
    /grows by 32\/min/,
  );
  assert.match(sentenceOfQueue(queue({ waiting: 9, empty_in_seconds: 240 }), now), /empty in 4 m 00 s\.$/);
  assert.match(sentenceOfQueue(queue({ waiting: 9 }), now), /Nothing of it has started/);
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

test("about as many that come as go hold the level, in the list as on the page of the queue", () => {
  const near = queue({ waiting: 14, in_per_minute: 44, out_per_minute: 42 });
  const other = { ...near, in_per_minute: 42, out_per_minute: 44, empty_in_seconds: 420 };
  for (const one of [near, other]) {
    assert.equal(courseOf(one), "level");
    assert.equal(emptyIn(one), "holds its level");
    assert.match(
      sentenceOfQueue(one, now),
      /^14 tasks wait\. About as many come as go: it holds its level\.$/,
    );
  }
  const grows = { ...near, in_per_minute: 50 };
  assert.equal(emptyIn(grows), "it grows");
  assert.match(sentenceOfQueue(grows, now), /grows by 8\/min/);
  assert.equal(emptyIn(queue({ waiting: 1, out_per_minute: 100, empty_in_seconds: 0.6 })), "< 1 s");
});

test("never is told apart from not known", () => {
  assert.equal(emptyIn(queue({ waiting: 5 })), "never");
  assert.equal(emptyIn(queue({ waiting: null })), "–");
  assert.equal(emptyIn(queue({ waiting: 0 })), "–");
  assert.equal(emptyIn(queue({ waiting: 5, empty_in_seconds: 125.2 })), "2 m 05 s");
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
  const held = [
    { count: 4, held_by: ["task:pay"] },
    { count: 1, held_by: ["task:pay", "task:mail"] },
  ];
  assert.match(
    sentenceOfQueue(queue({ due: 7 }), now, held),
    / 5 tasks more are held back, by the mark of pay, mail\. 2 tasks more are due and not handed/,
  );
  assert.doesNotMatch(sentenceOfQueue(queue({ due: 5 }), now, held), /not handed/);
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
