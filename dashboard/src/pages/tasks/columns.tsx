// The columns of the list: what there is of a task, and which of it somebody has chosen, which is in the address.
import type { HeldRead, TaskRow } from "../../api/types.ts";
import { chosenIds, withId } from "../../logic/columns.ts";
import { NONE, shortId } from "../../logic/format.ts";
import { runOf, waitOf } from "../../logic/lengths.ts";
import type { Column } from "../../parts/grid.tsx";
import { Icon } from "../../parts/icons.tsx";
import { Menu } from "../../parts/menu.tsx";
import { TaskStatus } from "../../parts/status.tsx";
import { HowLong, Time } from "../../parts/time.tsx";
import { href, params, setParams } from "../../router.ts";
import { WORDS } from "./words.ts";

export const taskPath = (id: string) => `/tasks/${encodeURIComponent(id)}`;

const COLUMNS: readonly Column<TaskRow>[] = [
  {
    id: "status",
    title: "status",
    width: "minmax(104px, 0.4fr)",
    sort: "status",
    cell: (row) => <TaskStatus task={row} plain />,
  },
  {
    id: "name",
    title: "name",
    width: "minmax(150px, 1.8fr)",
    sort: "task_name",
    narrow: "title",
    cell: (row) => (
      <a href={href(taskPath(row.task_id))} tabIndex={-1} title={row.task_name ?? row.task_id}>
        {row.task_name ?? "not told yet"}
      </a>
    ),
  },
  {
    id: "error",
    title: "error",
    from: 720,
    width: "minmax(100px, 1.6fr)",
    narrow: "hide",
    cell: (row) => (
      <span class="muted" title={row.error ?? ""}>
        {row.error ?? ""}
      </span>
    ),
  },
  {
    id: "queue",
    title: "queue",
    from: 480,
    width: "minmax(60px, 0.6fr)",
    sort: "queue_name",
    cell: (row) => row.queue_name ?? "–",
  },
  {
    id: "worker",
    title: "worker",
    from: 900,
    width: "minmax(100px, 0.9fr)",
    narrow: "hide",
    cell: (row) => row.worker_hostname ?? "–",
  },
  {
    id: "created",
    title: "created",
    width: "96px",
    sort: "created_at",
    align: "end",
    cell: (row) => <Time at={row.created_at} />,
  },
  {
    id: "waited",
    title: "waited",
    from: 760,
    width: "64px",
    align: "end",
    narrow: "hide",
    cell: (row) => <HowLong of={(now) => waitOf(row, now)} small />,
  },
  {
    id: "ran",
    title: "ran",
    from: 460,
    width: "76px",
    sort: "duration",
    align: "end",
    narrow: "named",
    cell: (row) => <HowLong of={(now) => runOf(row, now)} small />,
  },
  {
    id: "retries",
    title: "↻",
    from: 680,
    width: "24px",
    align: "end",
    narrow: "hide",
    cell: (row) => (row.retry_count ? row.retry_count : ""),
  },
  {
    id: "started",
    title: "started",
    width: "96px",
    sort: "started_at",
    align: "end",
    narrow: "hide",
    cell: (row) => <Time at={row.started_at} />,
  },
  {
    id: "ended",
    title: "ended",
    width: "96px",
    sort: "completed_at",
    align: "end",
    narrow: "hide",
    cell: (row) => <Time at={row.completed_at} />,
  },
  {
    id: "priority",
    title: "priority",
    width: "64px",
    sort: "priority",
    align: "end",
    narrow: "hide",
    cell: (row) => row.priority ?? NONE,
  },
  {
    id: "id",
    title: "id",
    width: "120px",
    narrow: "hide",
    cell: (row) => <code title={row.task_id}>{shortId(row.task_id)}</code>,
  },
];
const ALL = COLUMNS.map((column) => column.id);
const USUAL = ALL.filter((id) => !["started", "ended", "priority", "id"].includes(id));

/** Return the columns of an address: those that are named, however narrow it is; else the usual, as many as fit, with
 * errors only where a row has one. `held`: what marks hold back, which the status says. */
export function shownColumns(
  named: string | null,
  rows: readonly TaskRow[],
  held: HeldRead | undefined,
): readonly Column<TaskRow>[] {
  const hasErrors = named !== null || rows.some((row) => row.error);
  const ids = chosenIds(named, ALL, USUAL).filter((id) => id !== "error" || hasErrors);
  const shown = COLUMNS.filter((column) => ids.includes(column.id)).map((column) =>
    column.id === "status"
      ? { ...column, cell: (row: TaskRow) => <TaskStatus task={row} held={held} plain /> }
      : column,
  );
  return named === null ? shown : shown.map(({ from: _, ...column }) => column);
}

export function ColumnMenu() {
  const named = params.value.get("columns");
  const ids = chosenIds(named, ALL, USUAL);
  const choose = (id: string) => setParams({ columns: withId(ids, id, ALL, USUAL) }, { replace: true });
  return (
    <Menu
      label={WORDS.columns}
      items={COLUMNS.map((column) => ({
        label: named === null && column.from ? `${column.id}, where there is room` : column.id,
        isChosen: ids.includes(column.id),
        run: () => choose(column.id),
      }))}
    >
      <Icon name="columns" />
    </Menu>
  );
}
