// The whole graph in small, and which part of it is seen. A press goes there; it also scrolls by wheel and keys.
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
      {layout.layers.map((_, index) => (
        <rect
          key={index}
          data-tone={toneOf(index)}
          x={leftOf(layout, index)}
          y={topOf(layout, index)}
          width={BOX.width}
          height={Math.max(BOX.height, (1.5 * size.height) / height)}
        />
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
