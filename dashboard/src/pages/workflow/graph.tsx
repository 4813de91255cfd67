// The steps as a graph from left to right. The page scrolls it; only what is on the screen is drawn.
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { useKeys } from "../../keys.ts";
import { type Fold, foldsOf, linesOf } from "../../logic/fold.ts";
import { plural } from "../../logic/format.ts";
import type { Layout } from "../../logic/layout.ts";
import { lookOf } from "../../logic/status.ts";
import { pathSaid } from "../../logic/workflow.ts";
import { Loading } from "../../parts/states.tsx";
import { params, setParams } from "../../router.ts";
import {
  BEYOND,
  BOX,
  Box,
  isLookedAt,
  Lines,
  leftOf,
  sizeOf,
  statusOf,
  topOf,
  type Window,
} from "./boxes.tsx";
import { MiniMap } from "./minimap.tsx";
import { useLayout } from "./place.ts";
import type { StepDetail, Workflow, WorkflowGraph } from "./types.ts";
import { WORDS } from "./words.ts";
import "./graph.css";

const ZOOM = { least: 0.08, most: 1.5, step: 1.25, legible: 0.5 };
/** A graph so many times as large as what is seen of it has a map. */
const MAPPED_FROM = 1.6;
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
  const path = graph && pathSaid(graph);
  const isFoldable = !isFolded || folds.length < steps.length || open !== "";
  return (
    <div class="workflow-graph">
      <p class="workflow-graph-line num">
        <span>
          {plural(steps.length, "step")}
          {folds.length < steps.length && ` in ${plural(folds.length, "box", "boxes")}`}
        </span>
        {path?.what && (
          <span title={WORDS.pathWhy}>
            <b>{path.what}</b> {path.took}
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
  /** The box that gets the focus. */
  const wanted = useRef<number | null>(null);
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

  // At once, or as soon as it is drawn, where it was beyond the window: the next key is pressed on it.
  const focusWanted = () => {
    const found = box.current?.querySelector<HTMLElement>(`[data-box="${wanted.current}"]`);
    if (!found) return;
    wanted.current = null;
    found.focus({ preventScroll: true });
  };
  useLayoutEffect(focusWanted);
  const go = (index: number | undefined) => {
    if (index === undefined || index < 0) return;
    setFocused(index);
    show(index);
    look();
    wanted.current = index;
    focusWanted();
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
  const toneOf = useCallback((index: number) => lookOf(statusOf(folds[index]!, steps)).tone, [folds, steps]);
  const isOnPath = (index: number) => path[index]!;
  const more = beyond(view, size).join(" ");
  const isLarge = size.width > MAPPED_FROM * view.width || size.height > MAPPED_FROM * view.height;
  return (
    <div class="workflow-canvas-box">
      <div
        ref={box}
        class="workflow-canvas"
        role="group"
        aria-label={WORDS.graphLabel}
        data-small={zoom < ZOOM.legible ? "" : undefined}
        data-more={more || undefined}
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
          toneOf={toneOf}
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

/** Where the graph goes on beyond what is seen of it: touch screens show no scroll bars. */
function beyond(view: Window, size: { width: number; height: number }): string[] {
  return [
    view.left > 1 ? "left" : "",
    view.left + view.width < size.width - 1 ? "right" : "",
    view.top > 1 ? "top" : "",
    view.top + view.height < size.height - 1 ? "bottom" : "",
  ].filter(Boolean);
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
