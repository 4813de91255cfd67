// The boxes of a graph and the lines between them: where each stands, and how it looks.
import { type Fold, tally } from "../../logic/fold.ts";
import { count, duration, plural } from "../../logic/format.ts";
import type { Layout } from "../../logic/layout.ts";
import { lookOf } from "../../logic/status.ts";
import { ShapeIcon } from "../../parts/icons.tsx";
import { params, setParams } from "../../router.ts";
import type { StepDetail } from "./types.ts";
import { WORDS } from "./words.ts";

export const BOX = { width: 188, height: 44, column: 244, row: 56, edge: 16 };
/** Drawn beyond the edges of the window, so that scrolling shows nothing bare. */
export const BEYOND = 240;

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

/** Whether the address looks at this box: at its step, at the fan as a whole, or at a step within it. */
export function isLookedAt(fold: Fold, steps: readonly StepDetail[], at: string | null): boolean {
  if (!at) return false;
  return fold.key === at || fold.steps.some((one) => steps[one]!.id === at);
}

/** The status that the box shows: of a fan, the most urgent one. */
export const statusOf = (fold: Fold, steps: readonly StepDetail[]): string =>
  tally(fold.steps.map((one) => steps[one]!.status))[0]![0];

export function Box({
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
          <b>{plural(fold.steps.length, "step")}</b>
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
export function Lines({
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
