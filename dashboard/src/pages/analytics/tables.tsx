// How it went by name and by queue, as tables.
import { segment } from "../../api/client.ts";
import type { Figures, Trends } from "../../api/types.ts";
import { count, duration, percent, plural } from "../../logic/format.ts";
import { type Column, Grid } from "../../parts/grid.tsx";
import { Section } from "../../parts/page.tsx";
import { go, href, params, setParams } from "../../router.ts";
import { WORDS } from "./words.ts";

export type Choice = Record<"task_name" | "queue_name", string | null>;

/** How many percent of what completed or failed has failed; null where nothing did. */
export function failingOf(figures: Figures): number | null {
  const ended = figures.completed + figures.failed;
  return ended === 0 ? null : (100 * figures.failed) / ended;
}

type Row = Figures & { key: string | null };

const SORTS: Record<string, (row: Row) => number> = {
  submitted: (row) => row.submitted,
  completed: (row) => row.completed,
  failed: (row) => row.failed,
  failing: (row) => failingOf(row) ?? -1,
  wait: (row) => row.average_wait_seconds ?? -1,
  run: (row) => row.average_duration_seconds ?? -1,
  p95: (row) => row.p95_duration_seconds ?? -1,
};

export function Tables({ trends, chosen }: { trends: Trends; chosen: Choice }) {
  if (trends.by_task.length === 0) return null;
  return (
    <>
      <Table
        title={WORDS.byName}
        rows={trends.by_task.map((row) => ({ ...row, key: row.task_name }))}
        filter="task_name"
        page="names"
        chosen={chosen}
        since={trends.since}
      />
      <Table
        title={WORDS.byQueue}
        rows={trends.by_queue.map((row) => ({ ...row, key: row.queue_name }))}
        filter="queue_name"
        page="queues"
        chosen={chosen}
        since={trends.since}
      />
    </>
  );
}

function Table({
  title,
  rows,
  filter,
  page,
  chosen,
  since,
}: {
  title: string;
  rows: readonly Row[];
  filter: "task_name" | "queue_name";
  page: string;
  chosen: Choice;
  since: string;
}) {
  const named = `sort_${filter}`;
  const [by, order] = (params.value.get(named) ?? "submitted-desc").split("-") as [string, "asc" | "desc"];
  const value = SORTS[by] ?? SORTS.submitted!;
  const sign = order === "asc" ? 1 : -1;
  const sorted = [...rows].sort(
    (a, b) => sign * (value(a) - value(b)) || String(a.key).localeCompare(String(b.key)),
  );
  const number = (
    id: string,
    word: string,
    cell: Column<Row>["cell"],
    more: Partial<Column<Row>> = {},
  ): Column<Row> => ({
    id,
    title: word,
    cell,
    sort: id,
    align: "end",
    narrow: "named",
    width: "minmax(72px, 0.6fr)",
    ...more,
  });
  const columns: Column<Row>[] = [
    {
      id: "key",
      title: filter === "task_name" ? "name" : "queue",
      width: "minmax(140px, 2fr)",
      narrow: "title",
      cell: (row) =>
        row.key === null ? (
          <span class="muted">{WORDS.unnamed}</span>
        ) : (
          <a class="mono" href={href(`/${page}/${segment(row.key)}`)}>
            {row.key}
          </a>
        ),
    },
    number("submitted", "submitted", (row) => count(row.submitted), { narrow: "hide" }),
    number("completed", "completed", (row) => count(row.completed), { from: 700 }),
    number("failed", "failed", (row) =>
      row.failed === 0 ? (
        "0"
      ) : (
        <a href={href("/tasks", { ...chosen, [filter]: row.key, status: "FAILED", completed_after: since })}>
          {plural(row.failed, "failed", "failed").replace(" failed", "")}
        </a>
      ),
    ),
    number("failing", "failing", (row) => percent(failingOf(row))),
    number("wait", "mean wait", (row) => duration(row.average_wait_seconds), { from: 800, narrow: "hide" }),
    number("run", "mean run", (row) => duration(row.average_duration_seconds)),
    number("p95", "95 % within", (row) => duration(row.p95_duration_seconds), { from: 900, narrow: "hide" }),
    {
      id: "only",
      title: "",
      align: "end",
      width: "72px",
      narrow: "hide",
      cell: (row) =>
        row.key !== null && chosen[filter] === null ? (
          <button
            type="button"
            class="link"
            aria-label={`Only ${row.key}`}
            onClick={() => setParams({ [filter]: row.key })}
          >
            only this
          </button>
        ) : null,
    },
  ];
  return (
    <Section
      title={title}
      note={
        rows.length >= 100 ? WORDS.busiest : plural(rows.length, filter === "task_name" ? "name" : "queue")
      }
      flush
    >
      <Grid
        label={title}
        rows={sorted}
        columns={columns}
        rowKey={(row) => row.key ?? ""}
        sort={{ by, order, set: (next, way) => setParams({ [named]: `${next}-${way}` }) }}
        onOpen={(row) => row.key !== null && go(`/${page}/${segment(row.key)}`)}
      />
    </Section>
  );
}
