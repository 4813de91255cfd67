// What can be run: every name of a task, who knows it, and how its tasks fare.
import { useData } from "../../api/query.ts";
import type { Hold, Page as Rows } from "../../api/types.ts";
import { count, duration, percent, perMinute, plural } from "../../logic/format.ts";
import { holdsOf } from "../../logic/holds.ts";
import { failingOf, found, sentenceOfNames, sorted } from "../../logic/names.ts";
import { CopyAs } from "../../parts/copy.tsx";
import { type Column, Grid } from "../../parts/grid.tsx";
import { HeldLead, useHeld } from "../../parts/held.tsx";
import { PageHead, type PageProps } from "../../parts/page.tsx";
import { Empty, none, Shown } from "../../parts/states.tsx";
import { Status } from "../../parts/status.tsx";
import { Tabs } from "../../parts/tabs.tsx";
import { go, href, params, setParams } from "../../router.ts";
import type { NameRow } from "./types.ts";
import { WORDS } from "./words.ts";
import "./page.css";

const MOST = 1000;
const WINDOWS = [
  { id: "24", title: "24 hours", said: "in the last 24 hours" },
  { id: "1", title: "1 hour", said: "in the last hour" },
  { id: "168", title: "7 days", said: "in the last 7 days" },
] as const;

export default function Page(_props: PageProps) {
  const window = WINDOWS.find((one) => one.id === params.value.get("hours")) ?? WINDOWS[0];
  const query = { hours: window.id, limit: MOST, rows: "data" };
  const names = useData<Rows<NameRow>>("/task-names", { query, topics: ["tasks", "workers"], every: 10_000 });
  const held = useHeld();
  const holds = holdsOf(held.value, "task");
  return (
    <>
      <PageHead
        title={WORDS.title}
        lead={
          names.value && (
            <>
              <HeldLead holds={holds} isExact={held.value?.is_exact ?? true} />
              {sentenceOfNames(names.value.data, window.said)}
            </>
          )
        }
      >
        <CopyAs command={{ path: "/task-names", query: { hours: window.id } }} />
      </PageHead>
      <Tabs name="hours" label="How far back" tabs={WINDOWS} />
      <Shown data={names} lines={6}>
        {(shown) =>
          shown.data.length === 0 ? (
            <Empty title={none(WORDS.empty)} icon="names">
              <p>{WORDS.emptyHow}</p>
            </Empty>
          ) : (
            <All page={shown} holds={holds} said={window.said} />
          )
        }
      </Shown>
    </>
  );
}

const pathOf = (name: string) => `/names/${encodeURIComponent(name)}`;

function All({ page, holds, said }: { page: Rows<NameRow>; holds: readonly Hold[]; said: string }) {
  const letters = params.value.get("q") ?? "";
  const by = params.value.get("sort_by") ?? "busiest";
  const rows = sorted(found(page.data, letters), by);
  return (
    <>
      <label class="names-filter">
        <span class="sr">{WORDS.filter}</span>
        <input
          class="field"
          type="search"
          placeholder={WORDS.filter}
          value={letters}
          onInput={(event) => setParams({ q: event.currentTarget.value }, { replace: true })}
        />
        <span class="muted num">{plural(rows.length, "name")}</span>
      </label>
      <p class="muted">
        {WORDS.figures} {said}
        {WORDS.butWhere}
      </p>
      {rows.length === 0 ? (
        <Empty title={WORDS.nothing} icon="search">
          <button type="button" class="button" onClick={() => setParams({ q: null })}>
            {WORDS.clear}: {plural(page.data.length, "name")}
          </button>
        </Empty>
      ) : (
        <Grid
          label={WORDS.title}
          rows={rows}
          columns={columnsWith(holds)}
          rowKey={(one) => one.task_name ?? ""}
          onOpen={(one) => one.task_name !== null && go(pathOf(one.task_name))}
          sort={{ by, order: by === "name" ? "asc" : "desc", set: (next) => setParams({ sort_by: next }) }}
        />
      )}
      {page.total > page.data.length && (
        <p class="muted">
          {count(page.data.length)} of {count(page.total)} are shown.
        </p>
      )}
    </>
  );
}

/** What 95 % took of late; beyond a phone's width of every name, on a phone of those that have become slower. */
function LastHour({ of }: { of: NameRow }) {
  const now = duration(of.last_hour.p95_duration_seconds);
  if (!of.is_slower) return <span class="names-wide">{now}</span>;
  return (
    <span title={`${WORDS.wasSlower} ${duration(of.hour_before.p95_duration_seconds)}`}>
      <Status look={{ word: `${WORDS.slower}: ${now}`, tone: "waiting", shape: "warning" }} plain />
    </span>
  );
}

/** The columns, with how many tasks of a name are held back beside it. */
function columnsWith(holds: readonly Hold[]): readonly Column<NameRow>[] {
  if (holds.length === 0) return COLUMNS;
  const counts = new Map(holds.map((one) => [one.service_name, one.count]));
  return COLUMNS.map((column) => {
    if (column.id !== "name") return column;
    const cell = (one: NameRow) => {
      const many = counts.get(`task:${one.task_name}`);
      return (
        <>
          {column.cell(one)}{" "}
          {many && (
            <Status look={{ word: `${count(many)} ${WORDS.held}`, tone: "waiting", shape: "paused" }} plain />
          )}
        </>
      );
    };
    return { ...column, cell };
  });
}

const COLUMNS: Column<NameRow>[] = [
  {
    id: "name",
    title: "name",
    sort: "name",
    width: "minmax(96px, 2fr)",
    narrow: "title",
    cell: (one) =>
      one.task_name === null ? (
        <span class="muted">not told</span>
      ) : (
        <a href={href(pathOf(one.task_name))} title={one.task_name}>
          {one.task_name}
        </a>
      ),
  },
  {
    id: "known",
    title: "known to",
    from: 560,
    width: "minmax(84px, 0.7fr)",
    cell: (one) =>
      one.known_by > 0 ? (
        <span>{plural(one.known_by, "worker")}</span>
      ) : one.submitted > 0 ? (
        <Status look={{ word: WORDS.noWorker, tone: "waiting", shape: "warning" }} plain />
      ) : (
        <span class="muted">{WORDS.noWorker}</span>
      ),
  },
  {
    id: "ended",
    title: "ended",
    sort: "busiest",
    width: "minmax(64px, 0.5fr)",
    align: "end",
    cell: (one) => (
      <>
        {count(one.completed + one.failed + one.cancelled)}
        <span class="names-word"> ended</span>
      </>
    ),
  },
  {
    id: "rate",
    title: "in 5 min",
    from: 700,
    width: "minmax(66px, 0.5fr)",
    align: "end",
    narrow: "hide",
    cell: (one) => perMinute(one.ended_per_minute / 60),
  },
  {
    id: "failing",
    title: "failing",
    sort: "failing",
    width: "minmax(62px, 0.5fr)",
    align: "end",
    cell: (one) => (
      <span class={one.failed > 0 ? "names-failing" : undefined}>
        {percent(failingOf(one))}
        <span class="names-word"> failing</span>
      </span>
    ),
  },
  {
    id: "p50",
    title: "half take",
    from: 630,
    width: "minmax(66px, 0.6fr)",
    align: "end",
    narrow: "hide",
    cell: (one) => duration(one.p50_duration_seconds),
  },
  {
    id: "p95",
    title: "95 % take",
    sort: "slowest",
    width: "minmax(80px, 0.6fr)",
    align: "end",
    narrow: "hide",
    cell: (one) => duration(one.p95_duration_seconds),
  },
  {
    id: "lately",
    title: "95 %, last hour",
    width: "minmax(104px, 0.9fr)",
    align: "end",
    cell: (one) => <LastHour of={one} />,
  },
  {
    id: "wait",
    title: "wait",
    from: 780,
    width: "minmax(64px, 0.5fr)",
    align: "end",
    narrow: "hide",
    cell: (one) => duration(one.average_wait_seconds),
  },
];
