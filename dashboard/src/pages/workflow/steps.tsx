// The steps as a table: the same that the graph shows, for everybody.
import { plural } from "../../logic/format.ts";
import { runOf } from "../../logic/lengths.ts";
import { type Column, Grid } from "../../parts/grid.tsx";
import { Status } from "../../parts/status.tsx";
import { HowLong, Time } from "../../parts/time.tsx";
import { go, href, params, setParams } from "../../router.ts";
import type { StepDetail, Workflow } from "./types.ts";

const MANY = 40;
const taskPath = (step: StepDetail) => `/tasks/${encodeURIComponent(step.task_id)}`;

const COLUMNS: readonly Column<StepDetail>[] = [
  {
    id: "status",
    title: "status",
    width: "minmax(100px, 0.6fr)",
    cell: (step) => <Status of={step.status} plain />,
  },
  {
    id: "step",
    title: "step",
    width: "minmax(110px, 1.2fr)",
    narrow: "title",
    cell: (step) =>
      step.created_at ? (
        <a href={href(taskPath(step))} tabIndex={-1} title={step.id}>
          {step.id}
        </a>
      ) : (
        <span title={step.id}>{step.id}</span>
      ),
  },
  {
    id: "name",
    title: "task",
    width: "minmax(110px, 1.2fr)",
    cell: (step) => <span title={step.task_name}>{step.task_name}</span>,
  },
  {
    id: "needs",
    title: "needs",
    from: 760,
    width: "minmax(80px, 1.1fr)",
    narrow: "hide",
    cell: (step) => (
      <span class="muted" title={step.depends_on.slice(0, 50).join(", ")}>
        {step.depends_on.length <= 2
          ? step.depends_on.join(", ") || "–"
          : plural(step.depends_on.length, "step")}
      </span>
    ),
  },
  {
    id: "error",
    title: "error",
    width: "minmax(60px, 1.4fr)",
    narrow: "hide",
    cell: (step) => (
      <span class="muted" title={step.error ?? ""}>
        {step.error ?? ""}
      </span>
    ),
  },
  {
    id: "started",
    title: "started",
    width: "88px",
    align: "end",
    narrow: "hide",
    cell: (step) => <Time at={step.started_at} />,
  },
  {
    id: "ran",
    title: "ran",
    width: "68px",
    align: "end",
    narrow: "named",
    cell: (step) => <HowLong of={(now) => runOf(step, now)} small />,
  },
];

/** Those that stay while a step is looked at beside the table. */
const BESIDE = COLUMNS.filter((column) => ["status", "step", "ran"].includes(column.id));

export function Steps({ workflow }: { workflow: Workflow }) {
  const isMany = workflow.steps.length > MANY;
  const at = params.value.get("at");
  return (
    <div class={isMany ? "workflow-fill" : undefined}>
      <Grid
        label="Steps"
        rows={workflow.steps}
        columns={at ? BESIDE : COLUMNS}
        rowKey={(step) => step.id}
        fill={isMany}
        peeked={at}
        onPeek={(step) => setParams({ at: step.id }, { replace: at !== null })}
        onOpen={(step) => (step.created_at ? go(taskPath(step)) : setParams({ at: step.id }))}
      />
    </div>
  );
}
