// Lays out large graphs beside the page, so that it never stands still.
import { layOut } from "../../logic/layout.ts";

addEventListener(
  "message",
  (event: MessageEvent<{ id: number; boxes: number; lines: [number, number][] }>) => {
    const { id, boxes, lines } = event.data;
    postMessage({ id, layout: layOut(boxes, lines) });
  },
);
