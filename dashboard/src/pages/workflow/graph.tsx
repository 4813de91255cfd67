// The steps as a graph from left to right. The page scrolls it; only what is on the screen is drawn.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { useKeys } from "../../keys.ts";
import { type Fold, foldsOf, linesOf, tally } from "../../logic/fold.ts";
import { count, duration, plural } from "../../logic/format.ts";
import type { Layout } from "../../logic/layout.ts";
import { lookOf } from "../../logic/status.ts";
import { ShapeIcon } from "../../parts/icons.tsx";
import { Loading } from "../../parts/states.tsx";
import { params, setParams } from "../../router.ts";
import { MiniMap } from "./minimap.tsx";
import { useLayout } from "./place.ts";
import type { StepDetail, Workflow, WorkflowGraph } from "./types.ts";
import { WORDS } from "./words.ts";

export const BOX = { width: 188, height: 44, column: 244, row: 56, edge: 16 };
const ZOOM = { least: 0.08, most: 1.5, step: 1.25, legible: 0.5 };
/** A graph so many times as large as what is seen of it has a map. */
const MAPPED_FROM = 1.6;
/** Drawn beyond the edges of the window, so that scrolling shows nothing bare. */
const BEYOND = 240;

export interface Window {
  left: number;
  top: number;
  width: number;
  height: number;
}

export const leftOf = (layout: Layout, box: number) => BOX.edge + layout.layers[box]! * BOX.column;
export const topOf = (layout: Layout, box: number) => BOX.edge + layout.rows[box]! * BOX.row - BOX.height / 2;
export const sizeOf = (layout: Layout) => ({
  width: 2 * BOX.edge + (layout.columns - 1) * BOX.column + BOX.width,
  height: 2 * BOX.edge + layout.height * BOX.row - (BOX.row - BOX.height) / 2,
});

export function Graph({ workflow, graph }: { workflow: Workflow; graph: WorkflowGraph | undefined }) {
  const { steps } = workflow;
  const isFolded = params.value.get("fold") !== "0";
  const open = params.value.get("open") ?? "";
  const folds = useMemo(
    () => foldsOf(steps, { folds: isFolded, opened: new Set(open ? open.split("\n") : []) }),
    [steps, isFolded, open],
  );
  const lines = useMemo(() => linesOf(steps, folds), [steps, folds]);
  const layout = useLayout(folds.length, lines);
  const critical = useMemo(() => new Set(graph?.critical_path ?? []), [graph]);
  const isFoldable = !isFolded || folds.length < steps.length || open !== "";
  return (
    <div class="workflow-graph">
      <p class="workflow-graph-line num">
        <span>
          {plural(steps.length, "step")}
          {folds.length < steps.length && ` in ${plural(folds.length, "box", "boxes")}`}
        </span>
        {graph && graph.critical_path_seconds > 0 && (
          <span>
            <b>{WORDS.critical}</b> {duration(graph.critical_path_seconds)} in{" "}
            {plural(graph.critical_path.length, "step")}
          </span>
        )}
        {isFoldable && (
          <label class="workflow-fold">
            <input
              type="checkbox"
              checked={isFolded}
              onChange={() => setParams({ fold: isFolded ? "0" : null, open: null }, { replace: true })}
            />
            {WORDS.fold}
          </label>
        )}
      </p>
      {layout === null ? (
        <Loading lines={3} />
      ) : (
        <Canvas
          key={`${isFolded}`}
          folds={folds}
          lines={lines}
          layout={layout}
          steps={steps}
          critical={critical}
        />
      )}
    </div>
  );
}

function Canvas({
  folds,
  lines,
  layout,
  steps,
  critical,
}: {
  folds: readonly Fold[];
  lines: readonly [number, number][];
  layout: Layout;
  steps: readonly StepDetail[];
  critical: ReadonlySet<string>;
}) {
  const box = useRef<HTMLDivElement>(null);
  const size = sizeOf(layout);
  const [zoom, setZoom] = useState(1);
  const [view, setView] = useState<Window>({ left: 0, top: 0, width: 1_200, height: 600 });
  const at = params.value.get("at");
  const looked = folds.findIndex((fold) => isLookedAt(fold, steps, at));
  const [focused, setFocused] = useState(Math.max(0, looked));
  const place = Math.min(focused, folds.length - 1);
  const look = () => {
    const it = box.current;
    if (!it) return;
    const next = {
      left: it.scrollLeft / zoom,
      top: it.scrollTop / zoom,
      width: it.clientWidth / zoom,
      height: it.clientHeight / zoom,
    };
    setView((was) =>
      was.left === next.left && was.top === next.top && was.width === next.width && was.height === next.height
        ? was
        : next,
    );
  };
  const fit = () => {
    const it = box.current;
    if (it)
      setZoom(
        Math.max(
          ZOOM.least,
          Math.min(1, it.clientWidth / size.width, Math.max(it.clientHeight, 320) / size.height),
        ),
      );
  };
  const toZoom = (next: number) => {
    const it = box.current;
    const bounded = Math.max(ZOOM.least, Math.min(ZOOM.most, next));
    if (it) {
      const [x, y] = [it.scrollLeft + it.clientWidth / 2, it.scrollTop + it.clientHeight / 2];
      requestAnimationFrame(() => {
        it.scrollLeft = (x / zoom) * bounded - it.clientWidth / 2;
        it.scrollTop = (y / zoom) * bounded - it.clientHeight / 2;
      });
    }
    setZoom(bounded);
  };
  const show = (index: number) => {
    const it = box.current;
    if (!it || index < 0) return;
    const [x, y] = [leftOf(layout, index) * zoom, topOf(layout, index) * zoom];
    const [w, h] = [BOX.width * zoom, BOX.height * zoom];
    if (x < it.scrollLeft || x + w > it.scrollLeft + it.clientWidth)
      it.scrollLeft = x + w / 2 - it.clientWidth / 2;
    if (y < it.scrollTop || y + h > it.scrollTop + it.clientHeight)
      it.scrollTop = y + h / 2 - it.clientHeight / 2;
  };
  useLayoutEffect(() => {
    const urgent = ["FAILED", "RUNNING"]
      .map((status) => folds.findIndex((fold) => fold.steps.some((one) => steps[one]!.status === status)))
      .find((found) => found >= 0);
    show(looked >= 0 ? looked : (urgent ?? 0));
  }, []);
  useLayoutEffect(look, [zoom, size.width, size.height]);
  useEffect(() => {
    const watch = new ResizeObserver(look);
    if (box.current) watch.observe(box.current);
    return () => watch.disconnect();
  }, [zoom]);
  useKeys({
    "+": { does: "larger", run: () => toZoom(zoom * ZOOM.step) },
    "-": { does: "smaller", run: () => toZoom(zoom / ZOOM.step) },
    "0": { does: "fit the graph into the window", run: fit },
  });

  const go = (index: number | undefined) => {
    if (index === undefined || index < 0) return;
    setFocused(index);
    show(index);
    const focus = () => {
      const found = box.current?.querySelector<HTMLElement>(`[data-box="${index}"]`);
      found?.focus({ preventScroll: true });
      return found;
    };
    // One that was beyond the window is drawn only with the next frame.
    if (!focus()) requestAnimationFrame(() => requestAnimationFrame(focus));
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const place = Number((event.target as HTMLElement).dataset.box ?? focused);
    if (!folds[place]) return;
    const column = layout.order[layout.layers[place]!]!;
    const row = column.indexOf(place);
    const nearest = (those: number[]) =>
      those.sort(
        (a, b) =>
          Math.abs(layout.rows[a]! - layout.rows[place]!) - Math.abs(layout.rows[b]! - layout.rows[place]!),
      )[0];
    const to = {
      ArrowRight: () => nearest(lines.filter(([from]) => from === place).map(([, end]) => end)),
      ArrowLeft: () => nearest(lines.filter(([, end]) => end === place).map(([from]) => from)),
      ArrowDown: () => column[row + 1],
      ArrowUp: () => column[row - 1],
      Home: () => layout.order[0]![0],
      End: () => layout.order.at(-1)![0],
    }[event.key];
    if (!to) return;
    event.preventDefault();
    go(to());
  };
  const drag = useDrag(box);
  const isSeen = (index: number) => {
    const [x, y] = [leftOf(layout, index), topOf(layout, index)];
    return (
      x + BOX.width > view.left - BEYOND &&
      x < view.left + view.width + BEYOND &&
      y + BOX.height > view.top - BEYOND &&
      y < view.top + view.height + BEYOND
    );
  };
  const path = useMemo(
    () => folds.map((fold) => fold.steps.some((one) => critical.has(steps[one]!.id))),
    [folds, steps, critical],
  );
  const isOnPath = (index: number) => path[index]!;
  const isLarge = size.width > MAPPED_FROM * view.width || size.height > MAPPED_FROM * view.height;
  return (
    <div class="workflow-canvas-box">
      <div
        ref={box}
        class="workflow-canvas"
        role="group"
        aria-label={WORDS.graphLabel}
        data-small={zoom < ZOOM.legible ? "" : undefined}
        style={{ height: `min(${Math.ceil(size.height * zoom) + 2}px, max(320px, 62dvh))` }}
        onScroll={look}
        onKeyDown={onKeyDown}
        {...drag}
      >
        <div style={{ width: `${size.width * zoom}px`, height: `${size.height * zoom}px` }}>
          <div
            class="workflow-plane"
            style={{
              width: `${size.width}px`,
              height: `${size.height}px`,
              transform: `scale(${zoom})`,
            }}
          >
            <Lines layout={layout} lines={lines} view={view} size={size} isOnPath={isOnPath} />
            {folds.map((fold, index) =>
              isSeen(index) || index === place ? (
                <Box
                  key={fold.key}
                  fold={fold}
                  index={index}
                  steps={steps}
                  left={leftOf(layout, index)}
                  top={topOf(layout, index)}
                  isCritical={isOnPath(index)}
                  isLooked={index === looked}
                  isFocused={index === place}
                  onFocus={() => setFocused(index)}
                />
              ) : null,
            )}
          </div>
        </div>
      </div>
      <div class="workflow-zoom" role="toolbar" aria-label={WORDS.zoom}>
        <button
          type="button"
          class="icon-button"
          aria-label="Smaller"
          onClick={() => toZoom(zoom / ZOOM.step)}
        >
          −
        </button>
        <span class="num">{Math.round(zoom * 100)} %</span>
        <button
          type="button"
          class="icon-button"
          aria-label="Larger"
          onClick={() => toZoom(zoom * ZOOM.step)}
        >
          +
        </button>
        <button type="button" class="button quiet-button" onClick={fit}>
          Fit <kbd>0</kbd>
        </button>
      </div>
      {isLarge && (
        <MiniMap
          layout={layout}
          size={size}
          view={view}
          toneOf={(index) => lookOf(statusOf(folds[index]!, steps)).tone}
          onMove={(x, y) => {
            const it = box.current;
            if (!it) return;
            it.scrollLeft = (x - view.width / 2) * zoom;
            it.scrollTop = (y - view.height / 2) * zoom;
          }}
        />
      )}
    </div>
  );
}

/** Pull the graph with the mouse; it scrolls by wheel, touch and keys as well. */
function useDrag(box: { current: HTMLDivElement | null }) {
  const from = useRef<{ x: number; y: number } | null>(null);
  return {
    onPointerDown: (event: PointerEvent) => {
      if (event.pointerType !== "mouse" || event.button !== 0) return;
      if ((event.target as Element).closest("button")) return;
      from.current = { x: event.clientX, y: event.clientY };
      box.current?.setPointerCapture(event.pointerId);
    },
    onPointerMove: (event: PointerEvent) => {
      if (!from.current || !box.current) return;
      box.current.scrollLeft -= event.clientX - from.current.x;
      box.current.scrollTop -= event.clientY - from.current.y;
      from.current = { x: event.clientX, y: event.clientY };
    },
    onPointerUp: () => {
      from.current = null;
    },
    onPointerCancel: () => {
      from.current = null;
    },
  };
}

/** Whether the address looks at this box: at its step, at the fan as a whole, or at a step within it. */
function isLookedAt(fold: Fold, steps: readonly StepDetail[], at: string | null): boolean {
  if (!at) return false;
  return fold.key === at || fold.steps.some((one) => steps[one]!.id === at);
}

/** The status that the box shows: of a fan, the most urgent one. */
const statusOf = (fold: Fold, steps: readonly StepDetail[]): string =>
  tally(fold.steps.map((one) => steps[one]!.status))[0]![0];

function Box({
  fold,
  index,
  steps,
  left,
  top,
  isCritical,
  isLooked,
  isFocused,
  onFocus,
}: {
  fold: Fold;
  index: number;
  steps: readonly StepDetail[];
  left: number;
  top: number;
  isCritical: boolean;
  isLooked: boolean;
  isFocused: boolean;
  onFocus: () => void;
}) {
  const first = steps[fold.steps[0]!]!;
  const isFan = fold.steps.length > 1;
  const look = lookOf(statusOf(fold, steps));
  const parts = isFan ? tally(fold.steps.map((one) => steps[one]!.status)) : [];
  const said = isFan
    ? `${first.task_name}, ${fold.steps.length} steps: ${parts.map(([status, n]) => `${n} ${lookOf(status).word}`).join(", ")}`
    : `${first.id}, ${look.word}`;
  return (
    <button
      type="button"
      class="workflow-box"
      data-box={index}
      data-tone={look.tone}
      data-fan={isFan ? "" : undefined}
      data-critical={isCritical ? "" : undefined}
      aria-label={isCritical ? `${said}, ${WORDS.onPath}` : said}
      aria-pressed={isLooked}
      tabIndex={isFocused ? 0 : -1}
      style={{ left: `${left}px`, top: `${top}px` }}
      onFocus={onFocus}
      onClick={() =>
        setParams({ at: isLooked ? null : isFan ? fold.key : first.id }, { replace: params.peek().has("at") })
      }
    >
      <ShapeIcon shape={look.shape} />
      <span class="workflow-box-name clip">{isFan ? first.task_name : first.id}</span>
      {isFan ? (
        <span class="workflow-box-note num">
          <b>× {count(fold.steps.length)}</b>
          {parts.map(([status, n]) => (
            <span key={status} data-tone={lookOf(status).tone}>
              <ShapeIcon shape={lookOf(status).shape} />
              {count(n)}
            </span>
          ))}
        </span>
      ) : (
        <span class="workflow-box-note num">
          <span class="clip">{first.task_name}</span>
          <span class="workflow-box-time">
            {first.duration_seconds !== null ? duration(first.duration_seconds) : look.word}
          </span>
        </span>
      )}
    </button>
  );
}

/** The lines that cross the window: two strokes for all of them. */
function Lines({
  layout,
  lines,
  view,
  size,
  isOnPath,
}: {
  layout: Layout;
  lines: readonly [number, number][];
  view: Window;
  size: { width: number; height: number };
  isOnPath: (index: number) => boolean;
}) {
  let plain = "";
  let bold = "";
  for (const [from, to] of lines) {
    const x1 = leftOf(layout, from) + BOX.width;
    const y1 = topOf(layout, from) + BOX.height / 2;
    const x2 = leftOf(layout, to);
    const y2 = topOf(layout, to) + BOX.height / 2;
    if (x2 < view.left - BEYOND || x1 > view.left + view.width + BEYOND) continue;
    if (Math.max(y1, y2) < view.top - BEYOND || Math.min(y1, y2) > view.top + view.height + BEYOND) continue;
    const bend = Math.min(BOX.column - BOX.width, (x2 - x1) / 2 + 8);
    const path = `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
    if (isOnPath(from) && isOnPath(to)) bold += path;
    else plain += path;
  }
  return (
    <svg class="workflow-lines" width={size.width} height={size.height} aria-hidden="true" focusable="false">
      <path d={plain} />
      <path d={bold} data-critical="" />
    </svg>
  );
}
