// When each step waited and ran, on one axis of time: hollow while it waited for a worker, solid while it ran. Long
// stretches in which nothing did are cut out of it.
import { useMemo, useState } from "preact/hooks";
import { duration, momentOf, plural } from "../../logic/format.ts";
import { axisOf, placedOn, type Seen, type Span } from "../../logic/idle.ts";
import { dueOf } from "../../logic/lengths.ts";
import { hasEnded, lookOf } from "../../logic/status.ts";
import { heldBy } from "../../logic/workflow.ts";
import { Cuts, Labels } from "../../parts/axis.tsx";
import { type Column, Grid } from "../../parts/grid.tsx";
import { ShapeIcon } from "../../parts/icons.tsx";
import { Empty } from "../../parts/states.tsx";
import { clock, zoneWord } from "../../parts/time.tsx";
import { params, setParams } from "../../router.ts";
import type { StepDetail, Workflow } from "./types.ts";

const MOST_ZOOM = 64;
const MANY = 40;

const at = (text: string | null): number | null => (text ? momentOf(text) : null);

export function Gantt({ workflow }: { workflow: Workflow }) {
  const [zoom, setZoom] = useState(1);
  const [share, setShare] = useState(0);
  const now = hasEnded(workflow) ? 0 : clock.value.now;
  const { rows, spans, from, last, byId } = useMemo(() => inOrder(workflow.steps), [workflow.steps]);
  const to = Math.max(from + 1, now, last);
  const axis = useMemo(() => axisOf(from, to, spans), [spans, from, to]);
  if (rows.length === 0) return <Empty title="No step has started." icon="clock" />;
  const length = axis.length / zoom;
  const begin = share * (axis.length - length);
  const seen: Seen = { axis, part: { from: begin, to: begin + length }, whole: { from, to } };
  const cut = axis.cuts.reduce((sum, one) => sum + one.to - one.from, 0);
  const isMany = rows.length > MANY;
  const never = workflow.steps.length - rows.length;
  return (
    <div class={isMany ? "workflow-gantt workflow-fill" : "workflow-gantt"}>
      <div class="workflow-gantt-tools">
        <span class="muted num">
          {[
            cut > 0 ? `${duration(cut / 1000)} cut out, in which nothing ran` : "",
            never > 0 ? `${plural(never, "step")} ${hasEnded(workflow) ? "skipped" : "not started yet"}` : "",
          ]
            .filter(Boolean)
            .join(" · ")}
        </span>
        <span class="workflow-gantt-zoom">
          {zoom > 1 && (
            <input
              type="range"
              min="0"
              max="1"
              step="0.001"
              value={share}
              aria-label="Stretch of time that is shown"
              onInput={(event) => setShare(Number(event.currentTarget.value))}
            />
          )}
          <button
            type="button"
            class="icon-button"
            aria-label="Longer stretch of time"
            disabled={zoom === 1}
            onClick={() => setZoom(Math.max(1, zoom / 2))}
          >
            −
          </button>
          <span class="num">× {zoom}</span>
          <button
            type="button"
            class="icon-button"
            aria-label="Shorter stretch of time"
            disabled={zoom >= MOST_ZOOM}
            onClick={() => setZoom(Math.min(MOST_ZOOM, zoom * 2))}
          >
            +
          </button>
        </span>
      </div>
      <Grid
        label="Steps over time"
        rows={rows}
        columns={columnsOf(seen, byId)}
        rowKey={(step) => step.id}
        fill={isMany}
        peeked={params.value.get("at")}
        onPeek={(step) => setParams({ at: step.id }, { replace: params.peek().has("at") })}
        onOpen={(step) => setParams({ at: step.id })}
      />
      <div class="workflow-axis num" aria-hidden="true">
        <span>{zoneWord.value}</span>
        <span />
        <Labels seen={seen} most={4} />
      </div>
      <Cuts seen={seen} />
    </div>
  );
}

/** Those that have begun, by when they did. Each time is read once: a sort compares thousands. */
function inOrder(steps: readonly StepDetail[]) {
  const begun = steps
    .filter((step) => step.created_at !== null)
    .map((step) => ({
      step,
      made: at(step.created_at)!,
      started: at(step.started_at),
      span: spanOf(step, Number.POSITIVE_INFINITY),
    }))
    .sort((a, b) => (a.started ?? a.made) - (b.started ?? b.made));
  return {
    rows: begun.map(({ step }) => step),
    // One that has not ended goes on beyond the end of the axis.
    spans: begun.map(({ span }) => span),
    from: Math.min(...begun.map(({ made }) => made)),
    last: Math.max(
      ...begun.map(({ span, started }) => (Number.isFinite(span.to) ? span.to : (started ?? 0))),
    ),
    byId: new Map(steps.map((step) => [step.id, step])),
  };
}

/** From when a step waited for a worker until it ended. */
function spanOf(step: StepDetail, end: number): Span {
  const from = momentOf(dueOf(step)!);
  const isOpen = step.status === "RUNNING" || step.status === "PENDING";
  return { from, to: at(step.completed_at) ?? (isOpen ? end : (at(step.started_at) ?? from)) };
}

function columnsOf(seen: Seen, byId: ReadonlyMap<string, StepDetail>): Column<StepDetail>[] {
  return [
    {
      id: "step",
      title: "step",
      width: "minmax(84px, 176px)",
      narrow: "title",
      cell: (step) => (
        <span class="workflow-gantt-step" title={`${step.id} · ${step.task_name}`}>
          <span class="status plain" data-tone={lookOf(step.status).tone}>
            <ShapeIcon shape={lookOf(step.status).shape} />
          </span>
          <span class="sr">{lookOf(step.status).word}</span>
          <span class="clip">{step.id}</span>
        </span>
      ),
    },
    {
      id: "said",
      title: "ran, waited",
      width: "minmax(72px, 240px)",
      cell: (step) => <Words step={step} seen={seen} byId={byId} />,
    },
    {
      id: "time",
      title: "hollow: waited for a worker, solid: ran",
      cell: (step) => <Track step={step} seen={seen} />,
    },
  ];
}

function Words({
  step,
  seen,
  byId,
}: {
  step: StepDetail;
  seen: Seen;
  byId: ReadonlyMap<string, StepDetail>;
}) {
  const { from: made, to: ended } = spanOf(step, seen.whole.to);
  const started = at(step.started_at);
  const before = heldBy(step, byId);
  const text = [
    duration(step.duration_seconds ?? (started === null ? null : (ended - started) / 1000)),
    started !== null && started - made > 50 ? `waited ${duration((started - made) / 1000)}` : "",
    before ? `after ${before.id}` : "",
  ]
    .filter(Boolean)
    .join(" · ");
  return (
    <span class="muted num" title={text}>
      {text}
    </span>
  );
}

function Track({ step, seen }: { step: StepDetail; seen: Seen }) {
  const { from: made, to: ended } = spanOf(step, seen.whole.to);
  const started = at(step.started_at);
  const isOpen = step.status === "RUNNING" || step.status === "PENDING";
  return (
    <span class="story-track workflow-track">
      {seen.axis.cuts.map((cut) => (
        <i key={cut.from} data-kind="cut" style={placedOn(seen, cut)} />
      ))}
      <i data-tone="waiting" data-kind="wait" style={placedOn(seen, { from: made, to: started ?? ended })} />
      {started !== null && (
        <i
          data-tone={lookOf(step.status).tone}
          data-kind="run"
          data-open={isOpen ? "" : undefined}
          style={placedOn(seen, { from: started, to: ended })}
        />
      )}
    </span>
  );
}
