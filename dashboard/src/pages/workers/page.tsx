// Who runs the tasks: the workers that are online, those in need first; the others folded away below.
import { type Signal, useSignal } from "@preact/signals";
import { call } from "../../api/client.ts";
import { useHealth } from "../../api/health.ts";
import { pulse } from "../../api/live.ts";
import { useData } from "../../api/query.ts";
import { may } from "../../api/session.ts";
import type { Page as Rows, WorkerFigures } from "../../api/types.ts";
import { count, NONE, percent, perMinute, plural } from "../../logic/format.ts";
import { isHeardBy } from "../../logic/outage.ts";
import { asHeard, byNeed, isStray, isThere, keptFor, loadOf, sentenceOfFleet } from "../../logic/workers.ts";
import { ActionButton, actOnEach, Confirm } from "../../parts/actions.tsx";
import { CopyAs } from "../../parts/copy.tsx";
import { Figure, Meter } from "../../parts/figure.tsx";
import { type Column, Grid, SelectionBar } from "../../parts/grid.tsx";
import { Icon } from "../../parts/icons.tsx";
import { PageHead, type PageProps } from "../../parts/page.tsx";
import { Empty, Shown } from "../../parts/states.tsx";
import { Status } from "../../parts/status.tsx";
import { Ago, stillClock } from "../../parts/time.tsx";
import { say } from "../../parts/toasts.tsx";
import { go, href, params, setParams } from "../../router.ts";
import { pathOf, TOPICS, WorkerStatus } from "./actions.tsx";
import type { Worker } from "./types.ts";
import { WORDS } from "./words.ts";
import "./page.css";

const MOST = 1000;

export default function Page(_props: PageProps) {
  const query = { limit: MOST, rows: "data" };
  const workers = useData<Rows<Worker>>("/workers", { query, topics: TOPICS });
  const figures = useData<Rows<WorkerFigures>>("/dashboard/workers", {
    query,
    topics: TOPICS,
    every: 10_000,
  });
  const isHeard = isHeardBy(useHealth());
  const known = workers.value && asHeard(workers.value.data, isHeard);
  return (
    <>
      <PageHead
        title={WORDS.title}
        lead={known && sentenceOfFleet(known, stillClock())}
        state={known?.some(isThere) === false ? "▲" : ""}
      >
        <CopyAs command={{ path: "/workers", cli: ["workers", "list"] }} />
      </PageHead>
      <Shown data={workers} lines={6}>
        {(shown) =>
          shown.data.length === 0 ? (
            <NoWorker />
          ) : (
            <Fleet
              page={{ ...shown, data: asHeard(shown.data, isHeard) }}
              figures={figures.value?.data ?? []}
            />
          )
        }
      </Shown>
    </>
  );
}

function NoWorker() {
  return (
    <Empty title={WORDS.empty} icon="server">
      <p>{WORDS.emptyHow}</p>
      <pre>{WORDS.emptyCommand}</pre>
    </Empty>
  );
}

function Fleet({ page, figures }: { page: Rows<Worker>; figures: readonly WorkerFigures[] }) {
  const workers = byNeed(page.data);
  const online = workers.filter(isThere);
  const offline = workers.filter((one) => !isThere(one));
  const selected = useSignal<ReadonlySet<string>>(new Set());
  const of = new Map(figures.map((one) => [one.worker_id, one]));
  return (
    <>
      <Vitals workers={workers} figures={figures} />
      {online.length > 0 ? (
        <Grid
          label={WORDS.title}
          rows={online}
          columns={columnsOf(of)}
          rowKey={(one) => one.worker_id}
          onOpen={(one) => go(pathOf(one))}
          selected={may("operate") ? selected : undefined}
        />
      ) : (
        <Empty title={WORDS.none} icon="unplug" />
      )}
      <OnSelected selected={selected} workers={online} />
      {offline.length > 0 && <Offline workers={offline} />}
      {page.total > page.data.length && (
        <p class="muted">
          {count(page.data.length)} of {count(page.total)} are shown.
        </p>
      )}
    </>
  );
}

function Vitals({ workers, figures }: { workers: readonly Worker[]; figures: readonly WorkerFigures[] }) {
  const load = loadOf(workers);
  const isHeard = !workers.some((one) => one.isUnheard);
  const active = workers.filter((one) => isThere(one) && one.status === "ACTIVE").length;
  const rate = figures.reduce((sum, one) => sum + one.task_rate, 0);
  const failed = figures.reduce((sum, one) => sum + one.task_rate * ((one.error_rate ?? 0) / 100), 0);
  return (
    <div class="figures">
      <Figure
        label={WORDS.online}
        value={isHeard ? count(active) : NONE}
        unit={`of ${plural(workers.length, "worker")}`}
      />
      <Figure
        label={WORDS.running}
        value={count(pulse.value?.running ?? load.running)}
        unit={load.capacity === null ? undefined : `of ${count(load.capacity)} at once`}
        to={href("/tasks", { status: "RUNNING" })}
      />
      <Figure
        label={WORDS.rate}
        value={figures.length > 0 && isHeard ? perMinute(rate / 60) : NONE}
        note={WORDS.rateNote}
        to={href("/analytics")}
      />
      <Figure
        label={WORDS.failing}
        value={rate > 0 && isHeard ? percent((100 * failed) / rate) : NONE}
        note={WORDS.rateNote}
        tone={failed > 0 ? "failed" : undefined}
        to={href("/failures")}
      />
    </div>
  );
}

const columnsOf = (figures: ReadonlyMap<string, WorkerFigures>): Column<Worker>[] => [
  {
    id: "hostname",
    title: "worker",
    width: "minmax(110px, 2fr)",
    narrow: "title",
    cell: (one) => (
      <a href={href(pathOf(one))} title={one.hostname}>
        {one.hostname}
      </a>
    ),
  },
  {
    id: "status",
    title: "state",
    width: "minmax(88px, 0.8fr)",
    cell: (one) => <WorkerStatus worker={one} plain />,
  },
  { id: "load", title: "load", width: "minmax(104px, 1.2fr)", cell: (one) => <Load worker={one} /> },
  {
    id: "rate",
    title: "finished",
    width: "72px",
    align: "end",
    narrow: "hide",
    cell: (one) =>
      isThere(one) && !one.isUnheard
        ? perMinute((figures.get(one.worker_id)?.task_rate ?? Number.NaN) / 60)
        : NONE,
  },
  {
    id: "failing",
    title: "failing",
    width: "54px",
    align: "end",
    narrow: "hide",
    cell: (one) => percent(figures.get(one.worker_id)?.error_rate),
  },
  {
    id: "queues",
    title: "queues",
    from: 760,
    width: "minmax(60px, 1.4fr)",
    narrow: "hide",
    cell: (one) => <span title={one.queues?.join(", ")}>{one.queues?.join(", ") ?? "–"}</span>,
  },
  { id: "chips", title: "note", width: "minmax(40px, 1fr)", cell: (one) => <Notes worker={one} /> },
  {
    id: "heard",
    title: "heard",
    width: "72px",
    align: "end",
    narrow: "hide",
    cell: (one) => <Ago at={one.last_heartbeat} />,
  },
];

export function Load({ worker }: { worker: Pick<Worker, "current_load" | "capacity"> }) {
  const { current_load: load, capacity } = worker;
  const said = capacity === null ? `${load}` : `${load} of ${capacity}`;
  return (
    <span class="workers-load">
      {capacity !== null && (
        <Meter
          value={load / capacity}
          tone={load > 0 ? "running" : undefined}
          label={`Runs ${load} of ${capacity}`}
        />
      )}
      <span class="num">{said}</span>
    </span>
  );
}

/** What is unusual about a worker, one word each. */
export function Notes({ worker }: { worker: Worker }) {
  const kept = keptFor(worker);
  return (
    <>
      {kept && (
        <Status
          look={{ word: kept, tone: "waiting", shape: worker.desired.draining ? "draining" : "paused" }}
          plain
        />
      )}{" "}
      {isStray(worker) && <Status look={{ word: WORDS.stray, tone: "waiting", shape: "warning" }} plain />}{" "}
      {worker.events === "off" && (
        <span title={WORDS.muteWhy}>
          <Status look={{ word: WORDS.mute, tone: "waiting", shape: "lost" }} plain />
        </span>
      )}{" "}
      {worker.plugin === null && worker.software !== null && (
        <span class="muted" title={WORDS.noPluginWhy}>
          {WORDS.noPlugin}
        </span>
      )}
    </>
  );
}

function OnSelected({
  selected,
  workers,
}: {
  selected: Signal<ReadonlySet<string>>;
  workers: readonly Worker[];
}) {
  const chosen = workers.filter((one) => selected.value.has(one.worker_id));
  const each = async (what: "pause" | "resume", done: string) => {
    const failures = await actOnEach(
      chosen.map((one) => one.worker_id),
      (id) => call("PATCH", `${pathOf({ worker_id: id })}/${what}`),
    );
    tell(failures, chosen.length, done);
    selected.value = new Set();
  };
  return (
    <SelectionBar selected={selected}>
      <ActionButton needs="operate" onClick={() => each("pause", "paused")}>
        <Icon name="pause" /> Pause
      </ActionButton>
      <ActionButton needs="operate" onClick={() => each("resume", "resumed")}>
        <Icon name="play" /> Resume
      </ActionButton>
    </SelectionBar>
  );
}

function tell(failures: ReadonlyMap<string, Error>, all: number, done: string): void {
  const first = [...failures.values()][0];
  if (first) say(`${plural(failures.size, "worker")} not ${done}: ${first.message}`, { tone: "failed" });
  else say(`${plural(all, "worker")} ${done}.`, { tone: "completed" });
}

/** Those that are not there: folded away, with how many of them had work in hand. */
function Offline({ workers }: { workers: readonly Worker[] }) {
  const isOpen = params.value.get("offline") === "1";
  const isAsking = useSignal(false);
  const held = workers.filter((one) => one.current_load > 0).length;
  const kept = workers.filter((one) => keptFor(one) !== null).length;
  const columns = columnsOf(new Map())
    .filter((column) => !["rate", "failing"].includes(column.id))
    .map((column) => (column.id === "chips" ? { ...column, width: "minmax(172px, 1fr)" } : column));
  return (
    <section class="section flush">
      <header>
        <h2>
          <button
            type="button"
            class="workers-fold"
            aria-expanded={isOpen}
            onClick={() => setParams({ offline: isOpen ? null : "1" })}
          >
            <Icon name={isOpen ? "down" : "right"} /> {count(workers.length)} offline
          </button>
        </h2>
        {held > 0 && <span class="muted">{count(held)} with work in hand</span>}
        {kept > 0 && <span class="muted">{count(kept)} to be paused or drained once back</span>}
        <div class="actions">
          {isOpen && (
            <ActionButton needs="operate" onClick={() => (isAsking.value = true)}>
              Forget {workers.length === 1 ? "it" : `all ${count(workers.length)}`}
            </ActionButton>
          )}
        </div>
      </header>
      {isOpen && (
        <Grid
          label={WORDS.offline}
          rows={workers}
          columns={columns}
          rowKey={(one) => one.worker_id}
          onOpen={(one) => go(pathOf(one))}
        />
      )}
      {isAsking.value && (
        <Confirm
          title={`Forget ${plural(workers.length, "worker")}?`}
          verb={`Forget ${workers.length === 1 ? "it" : `all ${count(workers.length)}`}`}
          count={workers.length}
          onClose={() => (isAsking.value = false)}
          onConfirm={async () => {
            const ids = workers.map((one) => one.worker_id);
            tell(
              await actOnEach(ids, (id) => call("DELETE", pathOf({ worker_id: id }))),
              ids.length,
              "forgotten",
            );
          }}
        >
          <p>{WORDS.forgetWhy}</p>
        </Confirm>
      )}
    </section>
  );
}
