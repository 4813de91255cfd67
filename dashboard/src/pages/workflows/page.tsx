// Every workflow, newest first: how far it is, how it ended, and how long it took.
import { useState } from "preact/hooks";
import { ask, type Query } from "../../api/client.ts";
import { useData } from "../../api/query.ts";
import { may } from "../../api/session.ts";
import type { Page as Rows } from "../../api/types.ts";
import { useKeys } from "../../keys.ts";
import { count, plural } from "../../logic/format.ts";
import { lookOf, type Tone } from "../../logic/status.ts";
import { tookOf } from "../../logic/workflow.ts";
import { asCurl, CopyAs, copy, Id } from "../../parts/copy.tsx";
import { Meter } from "../../parts/figure.tsx";
import { type Column, Grid } from "../../parts/grid.tsx";
import { PageHead, type PageProps } from "../../parts/page.tsx";
import { Empty, none, Shown } from "../../parts/states.tsx";
import { Status } from "../../parts/status.tsx";
import { HowLong, Time } from "../../parts/time.tsx";
import { say } from "../../parts/toasts.tsx";
import { go, href, params, setParams } from "../../router.ts";
import type { WorkflowRow } from "../workflow/types.ts";
import { WORDS } from "./words.ts";
import "./page.css";

const STATUSES = ["RUNNING", "PENDING", "FAILED", "COMPLETED", "CANCELLED"] as const;
const PAGE = 100;
const pathOf = (row: WorkflowRow) => `/workflows/${encodeURIComponent(row.workflow_id)}`;

const COLUMNS: readonly Column<WorkflowRow>[] = [
  {
    id: "status",
    title: "status",
    width: "minmax(104px, 0.6fr)",
    cell: (row) => <Status of={row.status} plain />,
  },
  {
    id: "name",
    title: "name",
    width: "minmax(140px, 1.6fr)",
    narrow: "title",
    cell: (row) => (
      <a href={href(pathOf(row))} tabIndex={-1} title={row.name}>
        {row.name}
      </a>
    ),
  },
  {
    id: "id",
    from: 760,
    title: "id",
    width: "minmax(120px, 0.9fr)",
    narrow: "hide",
    cell: (row) => <Id id={row.workflow_id} to={href(pathOf(row))} />,
  },
  {
    id: "steps",
    title: "steps ended",
    width: "minmax(140px, 1fr)",
    cell: (row) => <Progress row={row} />,
  },
  {
    id: "created",
    title: "started",
    width: "96px",
    align: "end",
    narrow: "named",
    cell: (row) => <Time at={row.created_at} />,
  },
  {
    id: "took",
    title: "took",
    width: "76px",
    align: "end",
    narrow: "named",
    cell: (row) => <HowLong of={(now) => tookOf(row, now)} small />,
  },
];

function Progress({ row }: { row: WorkflowRow }) {
  const ended = row.step_count - row.unfinished_steps;
  const said = `${count(ended)} of ${count(row.step_count)}`;
  return (
    <span class="workflows-progress">
      <Meter
        value={row.step_count > 0 ? ended / row.step_count : null}
        tone={lookOf(row.status).tone as Tone}
        label={`${count(ended)} of ${plural(row.step_count, "step")} ended`}
      />
      <span class="num">{said}</span>
    </span>
  );
}

export default function Page(_props: PageProps) {
  const status = params.value.getAll("status");
  const name = params.value.get("name");
  const query: Query = { status, name, limit: PAGE, rows: "data" };
  const list = useData<Rows<WorkflowRow>>("/workflows", { query, topics: ["workflows"] });
  const hasFilter = status.length > 0 || Boolean(name);
  useKeys({
    Y: {
      does: "copy this view as curl",
      run: () => copy(asCurl({ path: "/workflows", query }), "Copied as curl"),
    },
  });
  return (
    <>
      <PageHead
        title={WORDS.title}
        lead={list.value ? verdictOf(list.value, hasFilter) : undefined}
        state={
          list.value && list.value.total > 0 ? count(list.value.total, list.value.total_is_exact) : undefined
        }
      >
        {may("submit") && (
          <a class="button" href={href("/submit", { as: "workflow" })}>
            {WORDS.submit}
          </a>
        )}
        <CopyAs command={{ path: "/workflows", query }} />
      </PageHead>
      <Filters status={status} name={name} />
      <Shown data={list} lines={6}>
        {(found) =>
          found.data.length === 0 ? (
            <Nothing hasFilter={hasFilter} />
          ) : (
            <List key={JSON.stringify([status, name])} first={found} query={query} />
          )
        }
      </Shown>
    </>
  );
}

/** The list's first page is live; further ones are fetched when asked for, and stay as they were. */
function List({ first, query }: { first: Rows<WorkflowRow>; query: Query }) {
  const [more, setMore] = useState<{ rows: WorkflowRow[]; cursor: string | null } | null>(null);
  const [isLoading, setLoading] = useState(false);
  const seen = new Set(first.data.map((row) => row.workflow_id));
  const rows = [...first.data, ...(more?.rows ?? []).filter((row) => !seen.has(row.workflow_id))];
  const cursor = more ? more.cursor : first.next_cursor;
  const load = async () => {
    setLoading(true);
    try {
      const next = await ask<Rows<WorkflowRow>>("GET", "/workflows", { query: { ...query, cursor } });
      setMore({ rows: [...(more?.rows ?? []), ...next.value.data], cursor: next.value.next_cursor });
    } catch (error) {
      say(error instanceof Error ? error.message : String(error), { tone: "failed" });
    } finally {
      setLoading(false);
    }
  };
  return (
    <>
      <Grid
        label={WORDS.title}
        rows={rows}
        columns={COLUMNS}
        rowKey={(row) => row.workflow_id}
        total={first.total}
        isExact={first.total_is_exact}
        onOpen={(row) => go(pathOf(row))}
      />
      {cursor && rows.length < first.total && (
        <p class="list-more">
          <button type="button" class="button" disabled={isLoading} onClick={load}>
            Older ones
          </button>{" "}
          <span class="muted num">
            {count(rows.length)} of {count(first.total, first.total_is_exact)}
          </span>
        </p>
      )}
    </>
  );
}

/** Status chips, and the name. Choosing is a new step of the history. */
function Filters({ status, name }: { status: string[]; name: string | null }) {
  const [text, setText] = useState(name ?? "");
  return (
    <div class="workflows-bar">
      <a
        class="chip"
        href={href("/workflows", { name })}
        aria-current={status.length === 0 ? "true" : undefined}
      >
        all
      </a>
      {STATUSES.map((one) => {
        const isOn = status.includes(one);
        return (
          <button
            key={one}
            type="button"
            class="chip"
            aria-pressed={isOn}
            onClick={() =>
              setParams({ status: isOn ? status.filter((each) => each !== one) : [...status, one] })
            }
          >
            {lookOf(one).word}
          </button>
        );
      })}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          setParams({ name: text.trim() || null });
        }}
      >
        <input
          class="field"
          type="search"
          placeholder={WORDS.name}
          aria-label={WORDS.name}
          value={text}
          onInput={(event) => {
            setText(event.currentTarget.value);
            if (event.currentTarget.value === "") setParams({ name: null });
          }}
        />
      </form>
    </div>
  );
}

function verdictOf(found: Rows<WorkflowRow>, hasFilter: boolean): string {
  if (found.total === 0) return none(hasFilter ? WORDS.none : WORDS.empty);
  const number = (status: string) => found.data.filter((row) => row.status === status).length;
  const isAll = found.data.length === found.total;
  const which = isAll
    ? `Of ${plural(found.total, "workflow")}`
    : `Of the newest ${count(found.data.length)} of ${count(found.total, found.total_is_exact)} workflows`;
  const [running, failed, waiting] = [number("RUNNING"), number("FAILED"), number("PENDING")];
  const parts = [
    running > 0 ? plural(running, "runs", "run") : "",
    waiting > 0 ? plural(waiting, "waits", "wait") : "",
    failed > 0 ? `${count(failed)} failed` : "none failed",
  ].filter(Boolean);
  return `${which}, ${parts.join(", ")}.`;
}

function Nothing({ hasFilter }: { hasFilter: boolean }) {
  if (!hasFilter)
    return (
      <Empty icon="workflow">
        <p>{WORDS.emptyWhy}</p>
      </Empty>
    );
  return (
    <Empty icon="search">
      <a class="button" href={href("/workflows")}>
        {WORDS.clear}
      </a>
    </Empty>
  );
}
