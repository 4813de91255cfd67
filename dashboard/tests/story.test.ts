import assert from "node:assert/strict";
import test from "node:test";
import { axisOf, shareOf } from "../src/logic/idle.ts";
import { proofOfCancel } from "../src/logic/proof.ts";
import {
  adviceOf,
  detailOf,
  holdOf,
  ordinal,
  sentenceOfTask,
  shortOf,
  verdictOf,
} from "../src/logic/sentence.ts";
import { nameOf, storyOf, workOf } from "../src/logic/story.ts";
import type { Attempt, Explanation, Task, TimelineEvent } from "../src/pages/task/types.ts";

const start = Date.parse("2026-11-26T12:00:00Z");
const at = (seconds: number) => new Date(start + seconds * 1000).toISOString();
const now = start + 60_000;
const clock = { now, zone: "UTC" };

const attempt = (over: Partial<Attempt>): Attempt => ({
  number: 1,
  retries: 0,
  delivery: 1,
  state: "SUCCEEDED",
  worker_id: "w",
  worker_hostname: "w-1",
  received_at: null,
  started_at: null,
  finished_at: null,
  runtime_seconds: null,
  exception: null,
  traceback: null,
  ...over,
});
const task = (over: Partial<Task>): Task =>
  ({
    task_id: "t",
    task_name: "pay",
    status: "COMPLETED",
    phase: "finished",
    created_at: at(0),
    scheduled_at: null,
    started_at: null,
    completed_at: null,
    duration_seconds: null,
    queue_name: "q",
    worker_hostname: null,
    retry_count: 0,
    error: null,
    cancel_requested: false,
    outcome: null,
    attempts: [],
    dispatch_refusal: null,
    ...over,
  }) as Task;
const event = (event_type: string, seconds: number): TimelineEvent => ({
  event_type,
  timestamp: at(seconds),
  details: {},
});
const said = (told: ReturnType<typeof storyOf>) =>
  told.stretches.map((one) => [one.lane, one.kind, one.text]);

test("between submission and end nothing is left blank", () => {
  const retried = attempt({
    state: "RETRIED",
    received_at: at(3),
    started_at: at(4),
    finished_at: at(10),
    exception: "Timeout('x')",
  });
  const lost = attempt({
    number: 2,
    state: "LOST",
    received_at: at(10),
    started_at: at(20),
    finished_at: at(25),
  });
  const failed = attempt({
    number: 3,
    state: "FAILED",
    received_at: at(40),
    started_at: at(41),
    finished_at: at(45),
    exception: "a.b.Boom: y",
  });
  const it = task({ status: "FAILED", completed_at: at(45), attempts: [retried, lost, failed] });
  const told = storyOf(it, [event("submitted", 0), event("dispatched", 1), event("redelivered", 30)], now);
  assert.deepEqual(said(told), [
    ["outbox", "wait", "1 s"],
    ["queue", "wait", "2 s in q"],
    ["#1 w-1", "wait", "1 s reserved"],
    ["#1 w-1", "run", "6 s retried: Timeout"],
    ["back-off", "pause", "10 s until the next try, with any wait for a worker"],
    ["#2 w-1", "run", "lost, after 5 s at most"],
    ["put back", "pause", "15 s until it was proven lost and put back"],
    ["#3 w-1", "wait", "1 s reserved"],
    ["#3 w-1", "run", "4 s failed: Boom"],
  ]);
  for (const [index, one] of told.stretches.slice(1).entries())
    assert.equal(one.from, told.stretches[index]!.to);
});

test("a retry backs off until it is due, and waits for a worker after that", () => {
  const first = attempt({ state: "RETRIED", received_at: at(0), started_at: at(0), finished_at: at(10) });
  const second = attempt({ number: 2, received_at: at(11), started_at: at(20.6), finished_at: at(21) });
  const it = task({ completed_at: at(21), attempts: [first, second] });
  const told = (eta: unknown) => [{ ...event("received", 11), details: { eta } }];
  assert.deepEqual(said(storyOf(it, told(at(10.2)), now)).slice(1, 3), [
    ["back-off", "pause", "200 ms until it was due again"],
    ["queue", "wait", "10.4 s waiting for a worker"],
  ]);
  assert.deepEqual(said(storyOf(it, told(at(20.6)), now)).slice(1), [
    ["back-off", "pause", "10.6 s until it was due again"],
    ["#2 w-1", "run", "400 ms completed"],
  ]);
  const held = { ...second, state: "RECEIVED", started_at: null, finished_at: null };
  const open = task({ status: "RUNNING", attempts: [first, held] });
  assert.deepEqual(said(storyOf(open, told(at(40)), now)).slice(1), [
    ["back-off", "pause", "30 s until it was due again"],
    ["#2 w-1", "wait", "20 s reserved by the worker"],
  ]);
  assert.match(storyOf(it, told("soon"), now).stretches[1]!.text, /with any wait for a worker$/);
});

test("long pauses are cut from a story, so that runs of a second between them are more than slivers", () => {
  const tries = [0, 301, 602].map((from, index) =>
    attempt({
      number: index + 1,
      state: index < 2 ? "RETRIED" : "SUCCEEDED",
      received_at: at(index === 0 ? 0 : from - 299),
      started_at: at(from),
      finished_at: at(from + 1),
    }),
  );
  const told = storyOf(task({ completed_at: at(603), attempts: tries }), [], now);
  const axis = axisOf(told.from, told.to, workOf(told));
  assert.equal(axis.cuts.length, 2);
  const seen = { axis, part: { from: 0, to: axis.length }, whole: told };
  for (const run of told.stretches.filter((one) => one.kind === "run"))
    assert.ok(shareOf(seen, run.to) - shareOf(seen, run.from) > 25);
});

test("a long wait in a queue is none of the pauses: it is drawn as long as it was", () => {
  const it = task({
    completed_at: at(601),
    attempts: [attempt({ started_at: at(600), finished_at: at(601) })],
  });
  const told = storyOf(it, [event("dispatched", 0)], now);
  assert.deepEqual(axisOf(told.from, told.to, workOf(told)).cuts, []);
});

test("what has not ended is open until now", () => {
  const queued = storyOf(task({ status: "PENDING", phase: "queued" }), [event("dispatched", 1)], now);
  assert.equal(queued.stretches.at(-1)!.isOpen, true);
  assert.equal(queued.to, now);
  const scheduled = storyOf(task({ status: "PENDING", phase: "scheduled", scheduled_at: at(3600) }), [], now);
  assert.equal(scheduled.stretches[0]!.lane, "scheduled");
  assert.equal(scheduled.stretches[0]!.isOpen, true);
  const running = task({
    status: "RUNNING",
    phase: "running",
    attempts: [attempt({ state: "STARTED", received_at: at(1), started_at: at(2) })],
  });
  assert.equal(storyOf(running, [event("dispatched", 0.5)], now).stretches.at(-1)!.text, "58 s running");
  const held = task({
    status: "PENDING",
    phase: "reserved",
    attempts: [attempt({ state: "RECEIVED", received_at: at(1) })],
  });
  assert.equal(
    storyOf(held, [event("dispatched", 0.5)], now).stretches.at(-1)!.text,
    "59 s reserved by the worker",
  );
});

test("no stretch is backwards, whatever the clocks of workers say", () => {
  let seed = 11;
  const random = () => {
    seed = (seed * 48271) % 2147483647;
    return (seed % 1000) / 10 - 20;
  };
  const states = ["SUCCEEDED", "FAILED", "RETRIED", "LOST", "REJECTED", "STARTED", "RECEIVED", "UNKNOWN"];
  for (let round = 0; round < 300; round += 1) {
    const attempts = Array.from({ length: round % 4 }, (_, index) =>
      attempt({
        number: index + 1,
        state: states[(round + index) % states.length]!,
        received_at: round % 3 ? at(random()) : null,
        started_at: round % 5 ? at(random()) : null,
        finished_at: round % 2 ? at(random()) : null,
      }),
    );
    const it = task({
      status: round % 2 ? "COMPLETED" : "RUNNING",
      completed_at: round % 2 ? at(random()) : null,
      attempts,
    });
    const told = storyOf(it, round % 7 ? [event("dispatched", random())] : [], now);
    assert.ok(told.to > told.from);
    for (const one of told.stretches) assert.ok(one.to >= one.from, JSON.stringify([round, one]));
  }
});

test("a task is said in one sentence", () => {
  const ran = {
    attempts: [attempt({ started_at: at(2) })],
    started_at: at(2),
    duration_seconds: 1.5,
    completed_at: at(3.5),
  };
  assert.equal(sentenceOfTask(task(ran), clock), "Completed after 3.5 s: waited 2 s, ran 1.5 s.");
  const failed = task({
    ...ran,
    status: "FAILED",
    error: "Timeout: no\nmore",
    attempts: [attempt({}), attempt({ number: 2 }), attempt({ number: 3 })],
  });
  assert.equal(
    sentenceOfTask(failed, clock),
    "Failed on its 3rd attempt after 1.5 s, 3.5 s after it was submitted: Timeout: no.",
  );
  assert.match(sentenceOfTask({ ...failed, duration_seconds: null }, clock), /attempt after 3.5 s: Timeout/);
  assert.equal(
    sentenceOfTask(task({ status: "CANCELLED" }), clock),
    "Cancelled before it started: it never ran.",
  );
  assert.equal(
    sentenceOfTask(task({ status: "PENDING", phase: "queued" }), clock),
    "Waits in queue q for 1 m 00 s.",
  );
  assert.equal(
    sentenceOfTask(task({ outcome: "unknown" }), clock),
    "Its run is over, and nobody told how it went.",
  );
  assert.deepEqual([1, 2, 3, 4, 11, 12, 21, 102].map(ordinal), [
    "1st",
    "2nd",
    "3rd",
    "4th",
    "11th",
    "12th",
    "21st",
    "102nd",
  ]);
});

test("a cancel is proven step by step, or it came too late", () => {
  const asked = [event("dispatched", 1), event("cancel_requested", 5)];
  const open = proofOfCancel(task({ status: "RUNNING", started_at: at(2), cancel_requested: true }), asked);
  assert.deepEqual(
    open.map((step) => step.state),
    ["ok", "open", "open", "later"],
  );
  const running = task({ status: "RUNNING", started_at: at(2), cancel_requested: true });
  // What the answer claims is not said before it is proven.
  const claimed = proofOfCancel(running, asked, "Task cancelled successfully");
  assert.equal(claimed[1]!.detail, "Cancel asked for.");
  const proven = proofOfCancel(task({ status: "CANCELLED", cancel_requested: true }), [
    ...asked,
    event("revoked", 6),
  ]);
  assert.deepEqual(
    proven.map((step) => step.state),
    ["ok", "ok", "ok"],
  );
  assert.equal(proven.at(-1)!.title, "Proven: it never ran");
  const late = proofOfCancel(task({ status: "COMPLETED", started_at: at(2), cancel_requested: true }), asked);
  assert.equal(late.at(-1)!.state, "failed");
  assert.deepEqual(proofOfCancel(task({}), []), []);
});

test("a cancel says what was done, and speaks of workers only where there are some", () => {
  const asked = [event("dispatched", 1), event("cancel_requested", 5)];
  const titles = (reason: string) =>
    proofOfCancel(task({ status: "CANCELLED", cancel_requested: true }), [
      ...asked,
      { ...event("revoked", 6), details: { reason } },
    ]).map((step) => step.title);
  assert.deepEqual(titles("taken out of its queue"), [
    "Asked for",
    "Its message was taken out of queue q: no worker can get it any more",
    "Proven: it never ran",
  ]);
  assert.match(titles("every worker of its queue refuses it")[1]!, /^Every worker of queue q asks/);
  assert.match(titles("not yet handed to the broker")[1]!, /^Taken back before/);
  const waits = task({ status: "PENDING", phase: "queued", cancel_requested: true });
  const unread = proofOfCancel(waits, asked, "No worker is known to read it", false);
  assert.equal(unread[1]!.title, "No worker reads queue q: nobody is there to be told");
  assert.equal(unread[1]!.state, "open");
  assert.match(proofOfCancel(waits, asked)[1]!.title, /^Workers are told/);
});

test("names of exceptions are short", () => {
  assert.equal(nameOf("Timeout('x')"), "Timeout");
  assert.equal(nameOf("a.b.Boom: y"), "Boom");
});

test("an advice on a page names no request", () => {
  assert.deepEqual(
    [
      "Wait, or add workers: PATCH /workers/{id}/capacity.",
      "Resume one: POST /workers/{worker_id}/resume.",
      'Let it go again: POST /resilience/degradation/clear {"service_name": "queue:x"}',
      "Start a worker with `-Q x`.",
    ].map(adviceOf),
    ["Wait, or add workers.", "Resume one.", "Let it go again.", "Start a worker with `-Q x`."],
  );
});

const checkOf = (over: Partial<Explanation["checks"][number]>): Explanation["checks"][number] => ({
  name: "marks",
  state: "blocks",
  detail: "Held back: all tasks named pay are, for 12 m more.",
  evidence: { service_name: "task:pay", until: at(780) },
  action: null,
  since: null,
  ...over,
});
const whyOf = (...checks: Explanation["checks"]): Explanation => ({
  task_id: "t",
  status: "PENDING",
  verdict: checks[0]?.detail ?? "Nothing is in its way.",
  since: null,
  checks,
});

test("what a mark holds back is said to be held back, by whose mark and until when", () => {
  const due = task({ status: "PENDING", phase: "dispatching" });
  const held = "Held back: all tasks named pay are, until 12:13 (for 12 m more).";
  const why = whyOf(checkOf({}));
  assert.equal(sentenceOfTask(due, clock, why), held);
  assert.equal(verdictOf(why, clock), held);
  const queue = checkOf({ evidence: { service_name: "queue:mail", until: at(780) } });
  assert.equal(
    detailOf(queue, clock),
    "Held back: all that is submitted to queue mail is, until 12:13 (for 12 m more).",
  );
  const signed = checkOf({
    since: at(-3600),
    evidence: { service_name: "task:pay", until: at(780), set_by_name: "ann", reason: "the bank is down" },
  });
  assert.equal(
    detailOf(signed, clock),
    "Held back by ann since 11:00: all tasks named pay are, until 12:13 (for 12 m more). The reason given: “the bank is down”.",
  );
  const refused = { ...due, dispatch_refusal: { refusals: 2, reason: "no", parked_at: null } } as Task;
  assert.equal(sentenceOfTask(refused, clock, why), held);
  assert.match(sentenceOfTask({ ...due, cancel_requested: true }, clock, why), /^A cancel was asked for/);
});

test("what is said of a mark under the title is said in short where it is looked at", () => {
  const due = task({ status: "PENDING", phase: "dispatching" });
  const mark = checkOf({});
  const why = whyOf(mark, checkOf({ evidence: { service_name: "queue:mail", until: at(780) } }));
  assert.equal(holdOf(due, why), mark);
  assert.equal(holdOf({ ...due, cancel_requested: true }, why), undefined);
  assert.equal(holdOf({ ...due, phase: "queued" }, why), undefined);
  assert.deepEqual(why.checks.map(shortOf), [
    "By the mark of tasks named pay.",
    "By the mark of queue mail.",
  ]);
  const breaker = checkOf({ evidence: { service_name: "broker", until: null } });
  assert.equal(shortOf(breaker), "By the breaker of Broker.");
});

test("a task that is due is only said to be late once nothing is known to hold it back", () => {
  const due = task({ status: "PENDING", phase: "dispatching" });
  assert.equal(sentenceOfTask(due, clock), "Due for 1 m 00 s.");
  assert.equal(sentenceOfTask(due, clock, whyOf()), "Due, and not handed to the broker for 1 m 00 s.");
});

test("the API's words stay where they say more, or the mark has ended", () => {
  for (const evidence of [
    { service_name: "broker", until: null },
    { service_name: "broker", until: at(780) },
    { service_name: "task:pay", until: at(0) },
  ])
    assert.equal(detailOf(checkOf({ evidence }), clock), checkOf({}).detail);
  assert.equal(verdictOf(whyOf(), clock), "Nothing is in its way.");
});
