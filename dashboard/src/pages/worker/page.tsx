// One worker: what is wanted of it beside what it says, how far a drain is proven, what it runs, what became of it.
import { type Signal, useSignal } from "@preact/signals";
import { segment } from "../../api/client.ts";
import { useHealth } from "../../api/health.ts";
import { useData } from "../../api/query.ts";
import { may } from "../../api/session.ts";
import type { Page as Rows, TaskRow, WorkerFigures } from "../../api/types.ts";
import { useKeys } from "../../keys.ts";
import { count, percent, perMinute, plural } from "../../logic/format.ts";
import { isHeardBy } from "../../logic/outage.ts";
import {
  askedOf,
  deadlineOf,
  isStray,
  isThere,
  sentenceOfWorker,
  stepsOfDrain,
  unheardOf,
  uptime,
} from "../../logic/workers.ts";
import { ActionButton } from "../../parts/actions.tsx";
import { CopyAs, copy, Id } from "../../parts/copy.tsx";
import { Figure, Meter } from "../../parts/figure.tsx";
import { Icon } from "../../parts/icons.tsx";
import { PageHead, type PageProps, Section } from "../../parts/page.tsx";
import { Receipt } from "../../parts/receipt.tsx";
import { Empty, Shown } from "../../parts/states.tsx";
import { TaskStatus } from "../../parts/status.tsx";
import { clock, Lasting, stillClock } from "../../parts/time.tsx";
import { params as address, go, href, setParams } from "../../router.ts";
import {
  AskCapacity,
  AskDrain,
  AskForget,
  pathOf,
  pause,
  resume,
  TOPICS,
  WorkerStatus,
} from "../workers/actions.tsx";
import type { Drain, Worker, WorkerDetail } from "../workers/types.ts";
import { AboutIt, History, useHistory, Wanted } from "./told.tsx";
import { WORDS } from "./words.ts";
import "./page.css";

const SHOWN = 20;
type Asked = "drain" | "capacity" | "forget" | null;

export default function Page({ params }: PageProps) {
  const id = params.id ?? "";
  const worker = useData<WorkerDetail>(`/workers/${segment(id)}`, { topics: TOPICS, every: 5_000 });
  const isHeard = isHeardBy(useHealth());
  if (worker.error?.status === 404)
    return (
      <>
        <PageHead title={WORDS.title} />
        <Empty title={WORDS.missing} icon="search">
          <p>{WORDS.missingWhy}</p>
          <a class="button" href={href("/workers")}>
            All workers
          </a>
        </Empty>
      </>
    );
  return (
    <Shown data={worker} lines={6}>
      {(it) => (isHeard || it.status !== "OFFLINE" ? <Whole worker={it} /> : <Silent worker={it} />)}
    </Shown>
  );
}

/** One that is silent while none can be heard: beside the others it is seen whether it was so before. */
function Silent({ worker }: { worker: WorkerDetail }) {
  const all = useData<Rows<Worker>>("/workers", { query: { limit: 1000, rows: "data" }, topics: TOPICS });
  const isUnheard = unheardOf(all.value?.data ?? [], false).has(worker.worker_id);
  return <Whole worker={{ ...worker, isUnheard }} />;
}

function Whole({ worker }: { worker: WorkerDetail }) {
  const wished = Number(address.value.get("capacity"));
  const asked = useSignal<Asked>(wished > 0 && may("operate") ? "capacity" : null);
  const path = pathOf(worker);
  const isOffline = !isThere(worker);
  const wasDrained = worker.is_draining || isOffline;
  const drain = useData<Drain>(wasDrained ? `${path}/drain` : null, { topics: TOPICS, every: 2_000 });
  const lostTasks = lostWith(worker);
  const lost = useData<Rows<TaskRow>>(isOffline && worker.last_heartbeat ? "/search/tasks" : null, {
    query: { ...lostTasks, limit: 1 },
    topics: TOPICS,
    every: 5_000,
  });
  const lostCount = lost.value?.total ?? 0;
  const shownDrain = wasDrained && !drain.error ? drain.value : undefined;
  const asker = askedOf(worker, useHistory(worker).value?.data, stillClock());
  useKeys({ y: { does: "copy the id", run: () => copy(worker.worker_id) } });
  return (
    <>
      <PageHead
        name={worker.hostname}
        state={isOffline ? "▢" : worker.status === "ACTIVE" ? "" : "◐"}
        title={
          <span class="worker-title">
            <WorkerStatus worker={worker} /> <span>{worker.hostname}</span>
          </span>
        }
        lead={sentenceOfWorker(worker, shownDrain, clock.value.now, lostCount, asker)}
      >
        {lostCount > 0 && (
          <a class="button primary" href={href("/tasks", lostTasks)}>
            {WORDS.lost}
          </a>
        )}
        <Actions worker={worker} asked={asked} />
        <CopyAs command={{ path, cli: ["workers", "show", worker.hostname] }} />
      </PageHead>
      {isOffline && !worker.message && may("operate") && <p class="muted">{WORDS.keptWhy}</p>}
      {worker.message && !shownDrain && (
        <p class="note" data-tone={isStray(worker) ? "waiting" : undefined}>
          <Icon name="alert" /> {worker.message}
        </p>
      )}
      {shownDrain && <DrainProof worker={worker} drain={shownDrain} />}
      <Vitals worker={worker} />
      <div class="columns">
        <Section title={WORDS.wanted} flush>
          <Wanted worker={worker} />
        </Section>
        <Section title={WORDS.about} flush>
          <AboutIt worker={worker} />
        </Section>
      </div>
      <RunningNow worker={worker} />
      <History worker={worker} />
      <Dialogs worker={worker} asked={asked} />
    </>
  );
}

function Actions({ worker, asked }: { worker: WorkerDetail; asked: Signal<Asked> }) {
  const isOffline = !isThere(worker);
  const stands = worker.status === "PAUSED" || worker.is_draining || worker.desired.paused === true;
  const path = pathOf(worker);
  return (
    <>
      {stands && (
        <ActionButton
          needs="operate"
          onClick={() => resume(worker)}
          command={{ method: "PATCH", path: `${path}/resume` }}
        >
          <Icon name="play" /> {isOffline ? WORDS.resumeLater : "Resume"}
        </ActionButton>
      )}
      {!stands && (
        <ActionButton
          needs="operate"
          onClick={() => pause(worker)}
          command={{ method: "PATCH", path: `${path}/pause` }}
        >
          <Icon name="pause" /> {isOffline ? WORDS.pauseLater : "Pause"}
        </ActionButton>
      )}
      {!isOffline && !worker.is_draining && (
        <ActionButton needs="operate" onClick={() => (asked.value = "drain")}>
          Drain…
        </ActionButton>
      )}
      <ActionButton needs="operate" onClick={() => (asked.value = "capacity")}>
        Capacity{worker.capacity === null ? "" : ` ${worker.capacity}`}
        {isOffline ? ` ${WORDS.later}` : "…"}
      </ActionButton>
      {isOffline && (
        <ActionButton needs="operate" tone="failed" onClick={() => (asked.value = "forget")}>
          Forget…
        </ActionButton>
      )}
    </>
  );
}

function Dialogs({ worker, asked }: { worker: WorkerDetail; asked: Signal<Asked> }) {
  const wished = Number(address.value.get("capacity"));
  const close = () => {
    asked.value = null;
    if (wished) setParams({ capacity: null }, { replace: true });
  };
  if (asked.value === "drain") return <AskDrain worker={worker} onClose={close} />;
  if (asked.value === "capacity")
    return <AskCapacity worker={worker} onClose={close} first={wished || undefined} />;
  if (asked.value === "forget")
    return <AskForget worker={worker} onClose={close} onDone={() => go("/workers")} />;
  return null;
}

/** The tasks that ended with it: those since it was last heard. */
const lostWith = (worker: WorkerDetail) => ({
  worker_id: worker.worker_id,
  status: "FAILED",
  error: "WorkerLost",
  completed_after: worker.last_heartbeat ?? "",
});

const runningOf = (worker: WorkerDetail) => ({
  worker_id: worker.worker_id,
  status: "RUNNING",
  sort_by: "started_at",
  sort_order: "asc",
  limit: SHOWN,
  rows: "data",
});

interface Facets {
  facets: { phase?: { value: string | null; count: number }[] };
}

/** Each step of a drain with what proves it, as it happens; and the tasks that hold it up. */
function DrainProof({ worker, drain }: { worker: WorkerDetail; drain: Drain }) {
  const isOpen = drain.finished_at === null;
  const running = useData<Rows<TaskRow>>(isOpen ? "/search/tasks" : null, {
    query: runningOf(worker),
    topics: ["tasks", "workers"],
  });
  const phases = useData<Facets>(isOpen ? "/search/facets" : null, {
    query: { worker_id: worker.worker_id, status: "PENDING", fields: "phase" },
    topics: ["tasks", "workers"],
  });
  const reserved = phases.value
    ? (phases.value.facets.phase?.find((one) => one.value === "reserved")?.count ?? 0)
    : null;
  const blocking = new Map((running.value?.data ?? []).map((task) => [task.task_id, task]));
  const steps = stepsOfDrain(worker, drain, reserved).map((step) => ({
    ...step,
    detail:
      step.state === "open" && drain.remaining_task_ids.length > 0 && step.title.includes("still") ? (
        <Blocking ids={drain.remaining_task_ids} tasks={blocking} />
      ) : undefined,
  }));
  const deadline = deadlineOf(drain, clock.value.now);
  return (
    <Receipt title={WORDS.drain} steps={steps}>
      {deadline && <p class={drain.state === "overdue" ? "worker-overdue" : "muted"}>{deadline}</p>}
      {isOpen && drain.message && <p class="muted">{drain.message}</p>}
    </Receipt>
  );
}

function Blocking({ ids, tasks }: { ids: readonly string[]; tasks: ReadonlyMap<string, TaskRow> }) {
  return (
    <ul class="worker-blocking">
      {ids.slice(0, SHOWN).map((id) => {
        const task = tasks.get(id);
        return (
          <li key={id}>
            <Id id={id} to={href(`/tasks/${encodeURIComponent(id)}`)} />
            <span class="clip">{task?.task_name}</span>
            <Lasting from={task?.started_at} />
          </li>
        );
      })}
      {ids.length > SHOWN && <li>and {count(ids.length - SHOWN)} more</li>}
    </ul>
  );
}

function Vitals({ worker }: { worker: WorkerDetail }) {
  const all = useData<Rows<WorkerFigures>>("/dashboard/workers", {
    query: { limit: 1000, rows: "data" },
    topics: TOPICS,
    every: 10_000,
  });
  const figures = all.value?.data.find((one) => one.worker_id === worker.worker_id);
  const most = worker.concurrency ?? worker.capacity;
  const rate = figures?.task_rate;
  return (
    <div class="figures">
      <Figure
        label={WORDS.running}
        value={count(worker.current_load)}
        unit={most === null ? undefined : `of ${count(most)} at once`}
        to={href("/tasks", { worker_id: worker.worker_id, status: "RUNNING" })}
      >
        {most !== null && (
          <Meter
            value={worker.current_load / most}
            tone={worker.current_load > 0 ? "running" : undefined}
            label={`Runs ${worker.current_load} of ${most}`}
          />
        )}
      </Figure>
      <Figure
        label={WORDS.rate}
        value={rate === undefined ? "–" : perMinute(rate / 60)}
        note={WORDS.rateNote}
        to={href("/tasks", { worker_id: worker.worker_id, completed_after: "-5m" })}
      />
      <Figure
        label={WORDS.failing}
        value={percent(figures?.error_rate)}
        note={WORDS.rateNote}
        tone={(figures?.error_rate ?? 0) > 0 ? "failed" : undefined}
        to={href("/tasks", { worker_id: worker.worker_id, status: "FAILED", completed_after: "-5m" })}
      />
      <Figure label="up" value={uptime(figures?.uptime_seconds)} />
      <Figure
        label="fetched at most"
        value={worker.prefetch_count === 0 ? "no limit" : count(worker.prefetch_count)}
        note="prefetch count"
      />
    </div>
  );
}

function RunningNow({ worker }: { worker: WorkerDetail }) {
  const found = useData<Rows<TaskRow>>("/search/tasks", {
    query: runningOf(worker),
    topics: ["tasks", "workers"],
  });
  const total = found.value?.total ?? 0;
  return (
    <Section
      title={WORDS.runningNow}
      note={total > 0 ? plural(total, "task") : undefined}
      flush
      actions={<a href={href("/tasks", { worker_id: worker.worker_id })}>All that it ran</a>}
    >
      <Shown data={found}>
        {(shown) =>
          shown.data.length === 0 ? (
            <p class="muted list-more">{WORDS.runsNothing}</p>
          ) : (
            <ul class="list">
              {shown.data.map((task) => (
                <li key={task.task_id}>
                  <TaskStatus task={task} plain />
                  <a class="clip quiet" href={href(`/tasks/${encodeURIComponent(task.task_id)}`)}>
                    {task.task_name ?? task.task_id}
                  </a>
                  <span class="muted clip">{task.queue_name}</span>
                  <span class="end">
                    {task.cancel_requested && <span class="muted">cancel asked for · </span>}
                    <Lasting from={task.started_at} />
                  </span>
                </li>
              ))}
              {total > shown.data.length && (
                <li>
                  <a href={href("/tasks", { worker_id: worker.worker_id, status: "RUNNING" })}>
                    {count(total - shown.data.length)} more
                  </a>
                </li>
              )}
            </ul>
          )
        }
      </Shown>
    </Section>
  );
}
