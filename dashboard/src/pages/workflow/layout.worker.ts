// Lays out large graphs beside the page, so that it never stands still.
import { layOut } from "../../logic/layout.ts";

/** `ends` has both ends of each line, one after the other. */
interface Asked {
  id: number;
  boxes: number;
  ends: Int32Array;
}

addEventListener("message", ({ data: { id, boxes, ends } }: MessageEvent<Asked>) => {
  const lines: [number, number][] = [];
  for (let at = 0; at < ends.length; at += 2) lines.push([ends[at]!, ends[at + 1]!]);
  postMessage({ id, layout: layOut(boxes, lines) });
});
