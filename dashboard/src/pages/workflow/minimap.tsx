// The whole graph in small, and which part of it is seen. A press goes there; it also scrolls by wheel and keys.
import { useMemo } from "preact/hooks";
import type { Layout } from "../../logic/layout.ts";
import type { Tone } from "../../logic/status.ts";
import { BOX, leftOf, topOf, type Window } from "./boxes.tsx";

const MOST = { width: 148, height: 96 };
const LEAST_SIDE = 24;

export function MiniMap({
  layout,
  size,
  view,
  toneOf,
  onMove,
}: {
  layout: Layout;
  size: { width: number; height: number };
  view: Window;
  toneOf: (index: number) => Tone;
  onMove: (x: number, y: number) => void;
}) {
  const scale = Math.min(MOST.width / size.width, MOST.height / size.height);
  const width = Math.max(LEAST_SIDE, size.width * scale);
  const height = Math.max(LEAST_SIDE, size.height * scale);
  const outlines = useMemo(
    () => outlinesOf(layout, Math.max(BOX.height, (1.5 * size.height) / height), toneOf),
    [layout, height, toneOf],
  );
  const move = (event: PointerEvent) => {
    const it = (event.currentTarget as Element).getBoundingClientRect();
    onMove(
      ((event.clientX - it.left) / it.width) * size.width,
      ((event.clientY - it.top) / it.height) * size.height,
    );
  };
  return (
    <svg
      class="workflow-map"
      width={width}
      height={height}
      viewBox={`0 0 ${size.width} ${size.height}`}
      preserveAspectRatio="none"
      aria-hidden="true"
      onPointerDown={(event) => {
        (event.currentTarget as Element).setPointerCapture(event.pointerId);
        move(event);
      }}
      onPointerMove={(event) => event.buttons === 1 && move(event)}
    >
      {outlines.map(([tone, path]) => (
        <path key={tone} data-tone={tone} d={path} />
      ))}
      <rect
        class="workflow-map-view"
        x={Math.max(0, view.left)}
        y={Math.max(0, view.top)}
        width={Math.min(view.width, size.width)}
        height={Math.min(view.height, size.height)}
      />
    </svg>
  );
}

/** All boxes of a tone as one path: a thousand of them are drawn as five elements. */
function outlinesOf(layout: Layout, height: number, toneOf: (index: number) => Tone): [Tone, string][] {
  const paths = new Map<Tone, string>();
  for (const index of layout.layers.keys()) {
    const tone = toneOf(index);
    const box = `M${leftOf(layout, index)} ${topOf(layout, index)}h${BOX.width}v${height}h-${BOX.width}z`;
    paths.set(tone, (paths.get(tone) ?? "") + box);
  }
  return [...paths];
}
