// How it is, in one sentence; then figures; then what needs a look.
import { useComputed } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { drift, useDrifts } from "../../api/drift.ts";
import { useHealth } from "../../api/health.ts";
import { pulse } from "../../api/live.ts";
import { useData } from "../../api/query.ts";
import { isLimited, may } from "../../api/session.ts";
import type { Alert, HeldRead, QueueRow, Resilience, Page as Rows, Stats, Trends } from "../../api/types.ts";
import { useWaiting } from "../../api/waiting.ts";
import { about, count, hour, percent } from "../../logic/format.ts";
import { isHeardBy } from "../../logic/outage.ts";
import { endsOf } from "../../logic/pace.ts";
import { asHeard, beside, byNeed, courseOf, emptyIn, isUnserved, takersOf } from "../../logic/queues.ts";
import {
  bySeverity,
  type FailureGroup,
  type Situation,
  type Verdict,
  verdictOf,
} from "../../logic/verdict.ts";
import { isDrained } from "../../logic/workers.ts";
import { act } from "../../parts/actions.tsx";
import { asCeleriac } from "../../parts/copy.tsx";
import { EndedBars, useGaps } from "../../parts/ended.tsx";
import { Icon } from "../../parts/icons.tsx";
import { PageHead, type PageProps, Section } from "../../parts/page.tsx";
import { AsOf, Empty, Limits, none, Shown } from "../../parts/states.tsx";
import { Status } from "../../parts/status.tsx";
import { Ago, clock, stillClock } from "../../parts/time.tsx";
import { go, href } from "../../router.ts";
import type { Worker } from "../workers/types.ts";
import type { WorkflowRow } from "../workflow/types.ts";
import { Away } from "./away.tsx";
import { Vitals } from "./figures.tsx";
import { Sentence } from "./sentence.tsx";
import { WORDS } from "./words.ts";
import "./page.css";

const MINUTE = 60_000;
const GROUPS_SHOWN = 6;
const QUEUES_SHOWN = 8;
const ALERTS_SHOWN = 6;

/** What is about all tasks together is not asked for with a key that has limits. */
const ofAll = (path: string) => (isLimited.value ? null : path);

export default function Page(_props: PageProps) {
  // What the sentence needs comes first: a browser asks six questions of a server at once.
  const health = useHealth();
  const alerts = useData<Rows<Alert>>(ofAll("/alerts"), {
    query: { limit: 50, rows: "data" },
    topics: ["alerts"],
  });
  const resilience = useData<Resilience>(ofAll("/resilience/summary"), { every: 5_000 });
  const stats = useData<Stats>(ofAll("/dashboard/stats"), { topics: ["tasks", "queues", "workers"] });
  const queues = useData<Rows<QueueRow> & { queue_depth_source: "broker" | "mirror" }>("/queues", {
    query: { limit: 200, rows: "data" },
    topics: ["queues", "tasks"],
  });
  const trends = useData<Trends>("/analytics/trends", {
    query: { hours: 1, interval: "minutely" },
    topics: ["tasks"],
    every: 30_000,
  });
  const failures = useData<{ groups: FailureGroup[] }>("/analytics/failures", {
    query: { hours: 1 },
    topics: ["tasks"],
    every: 10_000,
  });
  const workflows = useData<Rows<WorkflowRow>>("/workflows", {
    query: { status: "FAILED", limit: 20, rows: "data" },
    topics: ["workflows"],
  });
  useGaps(1);
  const isOneGone = useComputed(() => (pulse.value?.workers?.offline ?? 0) > 0).value;
  const fleet = useData<Rows<Worker>>(isOneGone ? ofAll("/workers") : null, {
    query: { limit: 1000, rows: "data" },
    topics: ["workers"],
  });
  const isHeld = resilience.value?.degradation.marks.some((mark) => mark.strategy === "queue_only");
  const held = useData<HeldRead>(isHeld ? "/resilience/held" : null, { topics: ["tasks"], every: 5_000 });
  const waiting = useWaiting(queues);
  useDrifts(queues.value?.data);
  const known = {
    isPartial: isLimited.value,
    health,
    alerts: alerts.value?.data,
    stats: stats.value,
    queues: queues.value?.data,
    resilience: resilience.value,
    held: isHeld ? held.value : undefined,
    fleet: isOneGone ? fleet.value?.data : undefined,
    failures: failures.value?.groups,
    failing: trends.value?.by_task,
    workflows: workflows.value?.data,
  };
  return (
    <Said known={known}>
      <AsOf reads={[alerts, stats, queues, resilience]} />
      <Limits />
      {!isLimited.value && (
        <Vitals
          stats={stats.value}
          waiting={waiting}
          more={beside(queues.value?.data ?? [], isHeld ? held.value : undefined)}
          series={trends.value?.series}
          isHeard={isHeardBy(health)}
          drained={known.fleet?.filter(isDrained).length ?? 0}
        />
      )}
      <Away />
      <div class="overview-columns">
        <Section title={WORDS.hour} note="by minute">
          <Shown data={trends} lines={4}>
            {(shown) => <EndedBars trends={shown} of={{}} hours={1} step={MINUTE} height={132} />}
          </Shown>
        </Section>
        <Section title={WORDS.queues} note={WORDS.queuesNote} flush>
          <Shown data={queues}>
            {(shown) => <QueueList queues={asHeard(shown.data, isHeardBy(health))} held={known.held} />}
          </Shown>
        </Section>
        {!isLimited.value && (
          <Section title={WORDS.alerts} flush>
            <Shown data={alerts}>{(shown) => <AlertList alerts={shown.data} />}</Shown>
          </Section>
        )}
        <Section title={WORDS.failing} note={WORDS.failingNote} flush>
          <Shown data={failures}>{(shown) => <Failing groups={shown.groups} />}</Shown>
        </Section>
      </div>
    </Said>
  );
}

/** The sentence over the rest. The clock and the pulse draw it again each second, and what stands below it never. */
function Said({ known, children }: { known: Omit<Situation, "now">; children: ComponentChildren }) {
  const now = pulse.value;
  const rates = endsOf(now, isHeardBy(known.health));
  const verdict = verdictOf({
    ...known,
    now: clock.value.now,
    offline: now?.workers?.offline,
    donePerMinute: rates.done === null ? null : rates.done * 60,
    failedPercent: rates.failedPercent,
    meanWait: now?.mean_wait,
  });
  if (verdict.tone === "empty") return <FirstTask verdict={verdict} />;
  return (
    <>
      <h1 class="sr">{WORDS.title}</h1>
      <Sentence verdict={verdict} />
      {children}
    </>
  );
}

/** Where it is going, or who takes from it. */
function Course({ queue }: { queue: QueueRow }) {
  const change = drift(queue);
  const course = courseOf(queue, change);
  const said =
    course === "falls"
      ? `empty in ${emptyIn(queue, change)}`
      : course === "level"
        ? "holds its level"
        : takersOf(queue);
  return <span class="muted">{said}</span>;
}

function QueueList({ queues, held }: { queues: readonly QueueRow[]; held: HeldRead | undefined }) {
  if (queues.length === 0) return <Empty title={none(WORDS.noQueues)} />;
  const sorted = byNeed(queues);
  return (
    <>
      {sorted.slice(0, QUEUES_SHOWN).map((queue) => (
        <a
          key={queue.queue_name}
          class="overview-queue num"
          href={href(`/queues/${encodeURIComponent(queue.queue_name)}`)}
        >
          <b class="clip">{queue.queue_name}</b>
          <span class="end">{count(queue.waiting)}</span>
          <span class="muted clip">
            <Beside queue={queue} held={held} />
          </span>
          <span class="end">
            {isUnserved(queue) ? (
              <Status look={{ word: takersOf(queue), tone: "waiting", shape: "warning" }} plain />
            ) : (
              <Course queue={queue} />
            )}
          </span>
        </a>
      ))}
      {sorted.length > QUEUES_SHOWN && (
        <p class="list-more">
          <a href={href("/queues")}>{count(sorted.length - QUEUES_SHOWN)} more</a>
        </p>
      )}
    </>
  );
}

/** What is there beside what waits, else for how long it waits. */
function Beside({ queue, held }: { queue: QueueRow; held: HeldRead | undefined }) {
  const more = beside([queue], held);
  if (more) return <>+ {more}</>;
  return queue.oldest_waiting_at ? <Oldest since={Date.parse(queue.oldest_waiting_at)} /> : null;
}

function Oldest({ since }: { since: number }) {
  return <>oldest {about((clock.value.now - since) / 1000)}</>;
}

function AlertList({ alerts }: { alerts: readonly Alert[] }) {
  if (alerts.length === 0) return <p class="muted list-more">{WORDS.noAlerts}</p>;
  return (
    <ul class="list">
      {bySeverity(alerts)
        .slice(0, ALERTS_SHOWN)
        .map((alert) => (
          <li key={alert.alert_id}>
            <Status of={alert.severity} />
            <a class="quiet" href={href("/alerts")}>
              {alert.description}
            </a>
            <span class="end muted">
              <Ago at={alert.created_at} />
            </span>
          </li>
        ))}
    </ul>
  );
}

function Failing({ groups }: { groups: readonly FailureGroup[] }) {
  if (groups.length === 0) return <p class="muted list-more">{WORDS.nothingFails}</p>;
  const all = groups.reduce((sum, one) => sum + one.count, 0);
  return (
    <ul class="list">
      {groups.slice(0, GROUPS_SHOWN).map((one) => (
        <li key={`${one.error}\n${one.task_name}`}>
          <a class="quiet clip" href={href("/tasks", tasksOf(one))}>
            <span class="mono">{one.error}</span>{" "}
            <span class="muted">in {one.task_name ?? WORDS.anonymous}</span>
          </a>
          <span class="end num">
            {one.first_failed_at && (
              <span class="muted">
                since {hour(Date.parse(one.first_failed_at), stillClock())}
                {" · "}
              </span>
            )}
            {count(one.count)} <span class="muted">{percent((100 * one.count) / all)}</span>
          </span>
        </li>
      ))}
      {groups.length > GROUPS_SHOWN && (
        <li>
          <a href={href("/failures", { hours: "1" })}>{count(groups.length - GROUPS_SHOWN)} more</a>
        </li>
      )}
    </ul>
  );
}

const tasksOf = (group: FailureGroup) => ({
  status: "FAILED",
  error: group.error,
  ...(group.task_name === null ? {} : { task_name: group.task_name }),
  completed_after: "-1h",
});

function FirstTask({ verdict }: { verdict: Verdict }) {
  const run = async () => {
    const body = { task_name: "celeriac.wordcount", task_args: ["to be or not to be"] };
    const task = await act<{ task_id: string }>("POST", "/tasks", { body, topics: ["tasks"] });
    if (task) go(`/tasks/${encodeURIComponent(task.task_id)}`);
  };
  return (
    <>
      <PageHead title={WORDS.title} lead={verdict.text} />
      <div class="overview-first">
        <section>
          <h2>{WORDS.firstTitle}</h2>
          <p>{WORDS.firstText}</p>
          {may("submit") && (
            <button type="button" class="button primary" onClick={run}>
              <Icon name="play" /> {WORDS.firstButton}
            </button>
          )}
          <p class="muted">{WORDS.firstOr}</p>
          <pre>
            {asCeleriac("submit", "celeriac.wordcount", "--args", '["to be or not to be"]', "--wait")}
          </pre>
        </section>
        <section>
          <h2>{WORDS.foreignTitle}</h2>
          <p>{WORDS.foreignText}</p>
          <pre>{`CELERIAC_BROKER_URL=redis://your-broker celeriac up\ncelery -A your_app worker -E`}</pre>
        </section>
      </div>
    </>
  );
}
