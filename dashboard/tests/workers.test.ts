import assert from "node:assert/strict";
import test from "node:test";
import {
  asHeard,
  askedOf,
  byNeed,
  deadlineOf,
  isStray,
  keptFor,
  keptOrTold,
  loadOf,
  onlyTakerOf,
  sentenceOfEntry,
  sentenceOfFleet,
  sentenceOfWorker,
  stateOf,
  stepsOfDrain,
  wishesOf,
} from "../src/logic/workers.ts";
import type { Drain, HistoryEntry, Worker, WorkerDetail } from "../src/pages/workers/types.ts";

const now = Date.parse("2026-11-26T12:00:00Z");
const AT = "2026-11-26T11:59:00Z";

const worker = (over: Partial<Worker>): Worker => ({
  worker_id: "1",
  hostname: "one",
  status: "ACTIVE",
  capacity: 4,
  current_load: 0,
  last_heartbeat: AT,
  is_draining: false,
  drained_at: null,
  pool: "prefork",
  queues: ["celery"],
  software: "py-celery 5.7.0 (Linux)",
  plugin: "1.0.0",
  desired: { paused: null, draining: false, capacity: null },
  converged: true,
  events: "on",
  ...over,
});

const clock = { now, zone: "UTC" };
const fleet = (workers: readonly Worker[]) => sentenceOfFleet(workers, clock);

const detail = (over: Partial<WorkerDetail>): WorkerDetail => ({
  ...worker({}),
  pid: 7,
  concurrency: 4,
  prefetch_count: 16,
  versions: { celery: "5.7.0", plugin: "1.0.0", protocol: 1 },
  capabilities: ["pause"],
  registered_at: null,
  observed: { paused: false, queues: ["celery"], concurrency: 4, described_at: AT },
  message: null,
  ...over,
});

const drain = (over: Partial<Drain>): Drain => ({
  state: "draining",
  remaining_task_ids: [],
  started_at: "2026-11-26T11:58:00Z",
  deadline_at: null,
  finished_at: null,
  message: null,
  ...over,
});

const states = (steps: { title: string; state: string }[]) =>
  steps.map((step) => `${step.state} ${step.title}`);

test("a wish of a worker that is not there is said to be kept until it is back", () => {
  const there = worker({});
  const gone = worker({ status: "OFFLINE" });
  assert.equal(keptOrTold("one is paused", there, true), "one is paused.");
  assert.equal(keptOrTold("one is paused", there, false), "one is paused, and repeated until it holds.");
  assert.equal(keptOrTold("one is paused", gone, false), "Kept: one is paused once it is back.");
});

test("what is kept for a worker that is not there is told, and of one that is there nothing is kept", () => {
  const paused = { paused: true, draining: false, capacity: null };
  assert.equal(keptFor(worker({ desired: paused })), null);
  assert.equal(keptFor(worker({ status: "OFFLINE" })), null);
  assert.equal(keptFor(worker({ status: "OFFLINE", desired: paused })), "paused once it is back");
  assert.equal(keptFor(worker({ last_heartbeat: null, desired: paused })), "paused once it is back");
  assert.equal(
    keptFor(worker({ status: "OFFLINE", desired: { ...paused, draining: true } })),
    "drains once it is back",
  );
});

test("of a drained worker its next start is told as it will be", () => {
  const of = (paused: boolean) =>
    sentenceOfWorker(
      detail({ status: "OFFLINE", desired: { paused, draining: false, capacity: null } }),
      drain({ state: "drained" }),
      now,
    );
  assert.match(of(false), /^Drained: .+ exited\. Its next start is an ordinary one\.$/);
  assert.match(of(true), /^Drained: .+ exited\. Once it is back, it is paused until it is resumed\.$/);
});

test("the list says first whether anything can start", () => {
  assert.equal(fleet([]), "No worker has been heard yet.");
  assert.match(fleet([worker({ status: "OFFLINE" })]), /^No worker is online/);
  assert.match(fleet([worker({ status: "PAUSED" })]), /^The only worker that is online takes no tasks/);
  assert.equal(fleet([worker({})]), "The worker takes new tasks.");
  assert.equal(fleet([worker({}), worker({})]), "All 2 workers take new tasks.");
  assert.equal(
    fleet([
      worker({ events: "off" }),
      worker({ status: "OFFLINE" }),
      worker({ status: "DRAINING", converged: false }),
    ]),
    "1 of 3 workers takes new tasks. 1 drains, 1 is offline and 1 sends no events.",
  );
  assert.equal(
    fleet([worker({ status: "DRAINING", converged: false })]),
    "The only worker that is online takes no tasks: nothing starts. 1 drains.",
  );
  assert.match(fleet([worker({ converged: false })]), / 1 is not yet as wanted\.$/);
});

test("one that was registered and never heard is not there, whatever its status says", () => {
  const unheard = worker({ last_heartbeat: null, capacity: 5 });
  assert.match(fleet([unheard]), /^No worker is online/);
  assert.equal(fleet([worker({}), unheard]), "1 of 2 workers takes new tasks. 1 was never heard.");
  assert.equal(loadOf([worker({}), unheard]).capacity, 4);
});

test("those in need come first, names as people count them", () => {
  const found = byNeed([
    worker({ hostname: "w10" }),
    worker({ hostname: "w9" }),
    worker({ hostname: "gone", status: "OFFLINE", converged: false }),
    worker({ hostname: "drains", status: "DRAINING" }),
    worker({ hostname: "stray", converged: false }),
  ]);
  assert.deepEqual(
    found.map((one) => one.hostname),
    ["stray", "drains", "w9", "w10", "gone"],
  );
});

test("a load without any known capacity has no whole", () => {
  assert.deepEqual(loadOf([worker({ capacity: null, current_load: 2 })]), { running: 2, capacity: null });
  assert.deepEqual(loadOf([worker({ current_load: 2 }), worker({ status: "OFFLINE", current_load: 9 })]), {
    running: 2,
    capacity: 4,
  });
});

test("a worker says what it does", () => {
  const said = (over: Partial<WorkerDetail>, of?: Drain) => sentenceOfWorker(detail(over), of, now);
  assert.equal(said({}), "Takes new tasks and runs nothing, and could run 4.");
  assert.equal(said({ current_load: 4 }), "Takes new tasks and runs 4 tasks of 4 at once. It is full.");
  assert.match(
    said({ status: "OFFLINE", current_load: 1 }),
    /not heard for 1 m 00 s\. 1 task it ran is looked after/,
  );
  assert.match(said({ status: "OFFLINE" }), /not heard for 1 m 00 s\.$/);
  const after = (lost: number) => sentenceOfWorker(detail({ status: "OFFLINE" }), undefined, now, lost);
  assert.match(after(1), /1 m 00 s\. 1 task that it ran was lost with it\.$/);
  assert.match(after(2), /2 tasks that it ran were lost with it\.$/);
  assert.match(said({ status: "OFFLINE" }, drain({ state: "drained" })), /^Drained/);
  assert.match(
    said({ status: "DRAINING", current_load: 1 }, drain({ state: "overdue" })),
    /overdue: it still runs 1 task/,
  );
  assert.match(said({ status: "OFFLINE", last_heartbeat: null }), /not heard yet/);
});

test("who let a worker stand still is told first, with when and why", () => {
  const entry = (event: HistoryEntry["event"], over: Partial<HistoryEntry> = {}): HistoryEntry => ({
    at: "2026-11-26T10:59:00Z",
    event,
    by: "api_key:k1",
    by_name: "ann",
    reason: "deploy",
    capacity: null,
    queue_name: null,
    ...over,
  });
  const clock = { now, zone: "UTC" };
  const said = (status: WorkerDetail["status"], history: HistoryEntry[], of?: Drain) => {
    const one = detail({ status });
    return sentenceOfWorker(one, of, now, 0, askedOf(one, history, clock));
  };
  assert.match(
    said("PAUSED", [entry("online", { by: null }), entry("pause_asked"), entry("resume_asked")]),
    /^Paused by ann since .*10:59: it starts nothing new until .* The reason given: “deploy”\.$/,
  );
  assert.match(
    said("PAUSED", [entry("pause_asked", { by: "local", by_name: null, reason: null })]),
    /^Paused by somebody without a key since .*10:59: .* runs nothing\.$/,
  );
  const drained = [entry("drain_asked"), entry("pause_asked")];
  assert.match(said("DRAINING", drained), /^Draining, asked for by ann at .*10:59: it starts nothing new/);
  assert.match(
    said("DRAINING", drained, drain({ state: "overdue" })),
    /^Its drain, asked for by ann at .*10:59, is/,
  );
  for (const history of [[], [entry("resume_asked"), entry("pause_asked")], drained])
    assert.match(said("PAUSED", history), /^Paused: it starts nothing new/);
});

test("what is wanted stands beside what is seen, and nothing is claimed that nobody saw", () => {
  const [fetches, size] = wishesOf(
    detail({
      desired: { paused: true, draining: false, capacity: 2 },
      observed: { paused: false, queues: ["celery"], concurrency: 4, described_at: AT },
    }),
  );
  assert.deepEqual([fetches!.wanted, fetches!.seen, fetches!.holds], ["no, it is paused", "yes", false]);
  assert.deepEqual([size!.wanted, size!.seen, size!.holds], ["2 tasks", "4 tasks", false]);
  assert.equal(size!.why, "busy processes are not ended");
  const unseen = wishesOf(
    detail({ status: "OFFLINE", desired: { paused: true, draining: false, capacity: 2 } }),
  );
  assert.deepEqual(
    unseen.map((wish) => wish.holds),
    [null, null, null],
  );
  assert.deepEqual(
    unseen.map((wish) => wish.seen),
    ["–", "–", "–"],
  );
});

test("a drain is proven step by step", () => {
  const running = drain({ remaining_task_ids: ["a", "b"] });
  assert.deepEqual(states(stepsOfDrain(detail({}), running, 3)), [
    "ok Asked for",
    "open It fetches nothing",
    "open 3 fetched tasks not given back yet",
    "open 2 tasks still run",
    "later It says goodbye and exits",
  ]);
  const still = detail({ observed: { paused: true, queues: [], concurrency: 4, described_at: AT } });
  assert.deepEqual(states(stepsOfDrain(still, drain({}), 0)).slice(1), [
    "ok It fetches nothing",
    "ok Nothing that it fetched waits in it",
    "ok Nothing runs in it",
    "open It says goodbye and exits",
  ]);
  const gone = stepsOfDrain(
    detail({ status: "OFFLINE" }),
    drain({ state: "drained", finished_at: AT }),
    null,
  );
  assert.deepEqual(
    gone.map((step) => step.state),
    ["ok", "ok", "ok", "ok"],
  );
});

test("that it was paused before the drain was asked for proves nothing", () => {
  const before = detail({
    observed: { paused: true, queues: [], concurrency: 4, described_at: "2026-11-26T11:57:00Z" },
  });
  assert.equal(stepsOfDrain(before, drain({}), 0)[1]!.state, "open");
});

test("a deadline says how long, or by how much it is missed", () => {
  assert.equal(deadlineOf(drain({}), now), null);
  assert.match(deadlineOf(drain({ deadline_at: "2026-11-26T12:10:00Z" }), now)!, /overdue in 10 m/);
  assert.match(deadlineOf(drain({ deadline_at: "2026-11-26T11:50:00Z" }), now)!, /overdue by 10 m/);
});

test("history names sizes, and words that it does not know", () => {
  const entry = {
    at: AT,
    event: "resize_asked",
    by: null,
    by_name: null,
    reason: null,
    capacity: 1,
    queue_name: null,
  } as const;
  assert.equal(sentenceOfEntry(entry), "Another capacity asked for: 1 task at once");
  assert.equal(sentenceOfEntry({ ...entry, event: "sneezed" as "online", capacity: null }), "sneezed");
  const taken = { ...entry, event: "queue_taken_on", capacity: null, queue_name: "math" } as const;
  assert.equal(sentenceOfEntry(taken), "Told to consume a queue that nobody consumed: math");
});

test("a worker that alone takes from a queue is told by the queue", () => {
  const one = worker({ queues: ["celery", "etl"] });
  const others = [
    worker({ worker_id: "2", queues: ["celery"] }),
    worker({ worker_id: "3", queues: ["etl"], status: "OFFLINE" }),
    worker({ worker_id: "4", queues: ["etl"], status: "PAUSED" }),
  ];
  assert.deepEqual(onlyTakerOf(one, [one, ...others]), ["etl"]);
  assert.deepEqual(onlyTakerOf(one, [one]), ["celery", "etl"]);
  // Of whom it is not known what it takes: it may take this.
  assert.deepEqual(onlyTakerOf(one, [one, worker({ worker_id: "5", queues: null })]), []);
});

test("while nobody can be heard, who was there is not called offline", () => {
  const silent = worker({ status: "OFFLINE", last_heartbeat: "2026-11-26T11:07:00Z" });
  const longGone = worker({ worker_id: "2", status: "OFFLINE", last_heartbeat: "2026-11-26T09:00:00Z" });
  const drained = worker({ ...silent, worker_id: "3", drained_at: "2026-11-26T11:06:50Z" });
  const never = worker({ worker_id: "4", status: "OFFLINE", last_heartbeat: null });
  const all = [silent, longGone, drained, never];
  const unheard = (isHeard: boolean) =>
    asHeard(all, isHeard)
      .filter((one) => one.isUnheard)
      .map((one) => one.worker_id);
  assert.deepEqual(unheard(true), []);
  assert.deepEqual(unheard(false), ["1"]);
  assert.equal(fleet([silent]), "No worker is online: nothing that is submitted starts.");
  assert.equal(
    fleet(asHeard([silent], false)),
    "No worker was heard since 11:07: whether they run is not known.",
  );
  assert.equal(
    fleet(asHeard(all, false)),
    "1 worker was not heard since 11:07: whether they run is not known.",
  );
  assert.equal(
    sentenceOfWorker({ ...detail({}), ...silent, isUnheard: true }, undefined, now),
    "Not heard for 53 m, as no worker can be now: whether it runs is not known.",
  );
  assert.deepEqual(asHeard([worker({})], false), [worker({})]);
});

test("a worker that drains as asked is on its way, and not otherwise than wanted", () => {
  const strays = [
    worker({ converged: false }),
    worker({ status: "DRAINING", converged: false, is_draining: true }),
    worker({ status: "OFFLINE", converged: false }),
    worker({ status: "OFFLINE", converged: false, isUnheard: true }),
    worker({}),
  ].map(isStray);
  assert.deepEqual(strays, [true, false, false, false, false]);
});

test("a worker that was drained and has gone is not called offline", () => {
  const gone = worker({ worker_id: "2", status: "OFFLINE", drained_at: AT });
  assert.equal(stateOf(gone), "drained");
  assert.equal(stateOf(worker({ status: "OFFLINE" })), "OFFLINE");
  assert.equal(fleet([worker({}), gone]), "1 of 2 workers takes new tasks. 1 is drained.");
});
