import assert from "node:assert/strict";
import test from "node:test";
import type { Hold } from "../src/api/types.ts";
import {
  holdOn,
  holdsOf,
  lookOfHeld,
  pathOfHold,
  sentenceOfHold,
  sentenceOfHolds,
  wordOfHeld,
} from "../src/logic/holds.ts";

const clock = { now: Date.parse("2026-11-26T05:22:00Z"), zone: "UTC" };
const hold = (over: Partial<Hold> = {}): Hold => ({
  service_name: "task:etl.load",
  strategy: "queue_only",
  degraded_until: "2026-11-26T06:10:00Z",
  automatic: false,
  set_at: "2026-11-26T02:10:00Z",
  set_by_name: "ann",
  reason: null,
  count: 1204,
  ...over,
});

test("what is held back is said with how much, by whom, since when, until when and why", () => {
  const said = "1,204 tasks of etl.load are held back by ann since 02:10, until 06:10.";
  assert.equal(sentenceOfHold(hold(), clock), said);
  assert.equal(
    sentenceOfHold(hold({ reason: "the bank is down" }), clock),
    `${said} The reason given: “the bank is down”.`,
  );
  assert.equal(
    sentenceOfHold(hold({ count: 1, set_by_name: null, service_name: "queue:mail" }), clock),
    "1 task of queue mail is held back since 02:10, until 06:10.",
  );
  assert.equal(
    sentenceOfHold(
      hold({ service_name: "broker", set_at: null, set_by_name: null, degraded_until: null }),
      clock,
      false,
    ),
    "1,204+ tasks are held back.",
  );
});

test("several holds are one sentence, the most first", () => {
  const held = {
    total: 7,
    is_exact: true,
    data: [],
    marks: [
      hold({ count: 2 }),
      hold({ service_name: "task:pay", count: 5 }),
      hold({ service_name: "queue:q", count: 9 }),
    ],
  };
  assert.equal(sentenceOfHolds([], clock), "");
  assert.match(
    sentenceOfHolds(holdsOf(held, "queue"), clock),
    /^9 tasks of queue q are held back by ann since 02:10/,
  );
  assert.equal(
    sentenceOfHolds(holdsOf(held, "task"), clock),
    "7 tasks of 2 names are held back, 5 of them of pay by ann since 02:10.",
  );
  assert.deepEqual(holdsOf({ ...held, marks: [hold({ count: 0 })] }, "task"), []);
});

test("what a mark holds back is listed as what is due and not handed over, of its name or queue", () => {
  assert.equal(pathOfHold("task:etl.load"), "/tasks?phase=dispatching&task_name=etl.load");
  assert.equal(pathOfHold("queue:a b"), "/tasks?phase=dispatching&queue_name=a+b");
  assert.equal(pathOfHold("broker"), "/tasks?phase=dispatching");
});

test("a task that is due is told from what holds its queue and its name", () => {
  const data = [
    {
      queue_name: "mail",
      task_name: "pay",
      count: 2,
      oldest_due_at: "",
      held_by: ["queue:mail", "task:pay"],
    },
  ];
  const marks = [hold({ service_name: "task:pay", reason: "no" }), hold({ service_name: "broker" })];
  const held = { total: 2, is_exact: true, data, marks };
  const due = { phase: "dispatching", queue_name: "mail", task_name: "pay" } as const;
  assert.equal(holdOn(due, held), marks[0]);
  assert.equal(holdOn({ ...due, phase: "queued" }, held), undefined);
  assert.equal(holdOn({ ...due, task_name: "other" }, held), undefined);
  assert.equal(holdOn(due, undefined), undefined);
  assert.equal(lookOfHeld(marks[0]!, clock).word, "held back");
  assert.equal(
    lookOfHeld(marks[0]!, clock).meaning,
    "Held back by ann since 02:10, until 06:10: all tasks named pay are. The reason given: “no”.",
  );
  assert.match(lookOfHeld(marks[1]!, clock).meaning!, /^Held back by ann since 02:10, until 06:10\.$/);
});

test("the strip says what holds back: a mark, or the broker that does not answer", () => {
  assert.deepEqual(wordOfHeld(["broker"], true).word, "wait for the broker");
  assert.deepEqual(wordOfHeld(["broker"]), { word: "held back", title: "By the mark of Broker." });
  const both = { word: "held back", title: "By the mark of Broker, queue etl." };
  assert.deepEqual(wordOfHeld(["broker", "queue:etl"], true), both);
  assert.deepEqual(wordOfHeld(["task:pay"]), { word: "held back", title: "By the mark of tasks named pay." });
  assert.deepEqual(wordOfHeld(), { word: "held back", title: "" });
});
