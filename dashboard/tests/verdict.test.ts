import assert from "node:assert/strict";
import test from "node:test";
import type { Alert, Health, Resilience, Stats } from "../src/api/types.ts";
import { bySeverity, linksOf, type Situation, verdictOf } from "../src/logic/verdict.ts";
import { queue } from "./queue-row.ts";

const now = Date.parse("2026-11-26T12:00:00Z");
const healthy: Health = { status: "healthy", version: "1", checks: {} };
const stats = { total_tasks_submitted: 10, queue_depth: 0, parked: 0 } as Stats;
const alert = (over: Partial<Alert>): Alert => ({
  alert_id: "1",
  type: "HIGH_FAILURE_RATE",
  severity: "WARNING",
  description: "More than 20 % failed",
  created_at: "2026-11-26T11:56:00Z",
  acknowledged: false,
  acknowledged_at: null,
  resolved_at: null,
  began_at: "2026-11-26T11:56:00Z",
  ended_at: null,
  subject: null,
  value: 30,
  threshold: 20,
  ...over,
});
const say = (over: Partial<Situation>) => verdictOf({ now, health: healthy, stats, alerts: [], ...over });

test("nothing is claimed before anything is known", () => {
  assert.equal(verdictOf({ now }).tone, "unknown");
  assert.equal(say({ alerts: undefined }).tone, "unknown");
  // A key with limits is never told of them.
  assert.equal(verdictOf({ now, health: healthy, isPartial: true, queues: [] }).tone, "ok");
});

test("all well is said with the figures that show it", () => {
  const said = say({ donePerMinute: 1032, failedPercent: 0.61, meanWait: 1.8 });
  assert.equal(said.text, "All well.");
  assert.equal(said.rest, "1,032 tasks a minute, 0.6 % failing, a task waits 1.8 s on average.");
  assert.equal(say({}).rest, "Nothing waits.");
  assert.equal(
    say({ queues: [queue({ oldest_waiting_at: "2026-11-26T11:50:00Z" })] }).rest,
    "The oldest waits for 10 m.",
  );
});

test("a system without a task is ready, not well", () => {
  assert.equal(say({ stats: { ...stats, total_tasks_submitted: 0 } }).tone, "empty");
});

test("the worst is said first, and how much more there is", () => {
  const critical = alert({
    type: "NO_ACTIVE_WORKERS",
    severity: "CRITICAL",
    description: "No worker is active",
  });
  const said = say({ alerts: [alert({}), critical] });
  assert.equal(said.tone, "critical");
  assert.equal(said.text, "No worker is active, for 4 m 00 s.");
  assert.equal(said.rest, "One more thing is wrong:");
  assert.deepEqual(said.others, [{ text: "More than 20 % failed, for 4 m 00 s.", to: "/failures?hours=1" }]);
  assert.equal(said.links[0]!.to, "/workers");
  const down = say({ health: { ...healthy, status: "unhealthy" }, alerts: [critical, alert({})] });
  assert.match(down.text, /database/);
  assert.equal(down.rest, "2 more things are wrong:");
  assert.deepEqual(
    down.others.map((one) => one.to),
    ["/workers", "/failures?hours=1"],
  );
});

test("an alert that somebody has seen does not shout, unless it is critical", () => {
  assert.equal(say({ alerts: [alert({ acknowledged: true })] }).tone, "ok");
  assert.equal(say({ alerts: [alert({ acknowledged: true, severity: "CRITICAL" })] }).tone, "critical");
});

test("a queue that nobody consumes is named with what waits, unless an alert has said so", () => {
  const lonely = queue({ waiting: 812, consumers: 0, oldest_waiting_at: "2026-11-26T11:56:00Z" });
  const said = say({ queues: [queue({}), lonely] });
  assert.equal(said.text, "Nobody consumes payments: 812 tasks wait, the oldest for 4 m 00 s.");
  assert.equal(said.links[0]!.to, "/queues/payments");
  assert.equal(
    say({ queues: [queue({ waiting: 1, consumers: 0 })] }).text,
    "Nobody consumes payments: 1 task waits.",
  );
  const told = alert({ type: "TASKS_NOT_PICKED_UP", subject: "payments", description: "Nobody takes them" });
  assert.equal(say({ queues: [lonely], alerts: [told] }).rest, "Everything else is well.");
});

test("parts that are down, marks, refusals and failures are each a sentence", () => {
  const parts = {
    components: [
      { name: "result_backend", status: "unhealthy", since: "2026-11-26T11:59:00Z", detail: null },
    ],
    degradation: {
      marks: [{ service_name: "queue:etl", strategy: "queue_only", degraded_until: null, automatic: false }],
    },
  } as unknown as Resilience;
  const said = say({
    resilience: parts,
    stats: { ...stats, parked: 2 },
    failedPercent: 40,
    donePerMinute: 3,
  });
  assert.equal(said.text, "The result backend has not answered for 1 m 00 s. Results come late.");
  assert.equal(said.rest, "3 more things are wrong:");
  const automatic = { components: [], degradation: { marks: [{ service_name: "broker", automatic: true }] } };
  assert.match(say({ resilience: automatic as unknown as Resilience }).text, /^Broker: it fails/);
  assert.match(say({ stats: { ...stats, parked: 1 } }).text, /refuses 1 task again/);
  assert.equal(say({ failedPercent: 40, donePerMinute: 3 }).text, "40 % of what ends fails.");
});

test("every alert leads to its evidence", () => {
  assert.equal(linksOf({ type: "HIGH_QUEUE_DEPTH", subject: "a/b" })[0]!.to, "/queues/a%2Fb");
  assert.equal(linksOf({ type: "DISPATCH_STALLED", subject: null })[0]!.to, "/queues");
  assert.equal(linksOf({ type: "STUCK_TASKS", subject: null })[0]!.to.startsWith("/tasks?"), true);
  assert.equal(linksOf({ type: "COMPONENT_DOWN", subject: "broker" })[0]!.to, "/system");
  assert.equal(linksOf({ type: "WORKER_OFFLINE", subject: "w@b/1" })[0]!.to, "/workers/w%40b%2F1");
  assert.equal(linksOf({ type: "WEBHOOK_FAILING", subject: "k7Qm" })[0]!.to, "/webhooks/k7Qm");
  assert.equal(linksOf({ type: "OPEN_ACCESS", subject: null })[0]!.to, "/keys");
});

test("a critical alert stands above a warning that is newer", () => {
  const all = [alert({ alert_id: "w" }), alert({ alert_id: "i", severity: "INFO" })];
  const sorted = bySeverity([...all, alert({ alert_id: "c", severity: "CRITICAL" })]);
  assert.deepEqual(
    sorted.map((one) => one.alert_id),
    ["c", "w", "i"],
  );
});

test("a mark leads to where it is let go again", () => {
  const of = (service_name: string) =>
    say({
      resilience: {
        components: [],
        degradation: {
          marks: [{ service_name, strategy: "queue_only", degraded_until: null, automatic: false }],
        },
      } as unknown as Resilience,
    }).links[0]!.to;
  assert.equal(of("task:shop/a"), "/names/shop%2Fa");
  assert.equal(of("queue:etl"), "/queues/etl");
  assert.equal(of("broker"), "/system");
});
