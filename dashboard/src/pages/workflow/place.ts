// Where the boxes stand: small graphs at once, large ones from a worker. Anew only when the shape of the graph changes.
import { useLayoutEffect, useMemo, useState } from "preact/hooks";
import { type Layout, layOut } from "../../logic/layout.ts";
import address from "./layout.worker.ts?worker&url";

type Line = [number, number];

interface TrustedTypes {
  createPolicy: (
    name: string,
    rules: { createScriptURL: (url: string) => string },
  ) => { createScriptURL: (url: string) => string };
}

/** So much is laid out within a frame. */
const SMALL = 400;

let worker: Worker | null | undefined;
let asked = 0;

/** The one worker, which starts when it is first wanted; null where this browser gives none. */
export function theWorker(): Worker | null {
  if (worker !== undefined) return worker;
  try {
    const types = (window as { trustedTypes?: TrustedTypes }).trustedTypes;
    // The policy of the page lets through this one address, which the build knows.
    const policy = types?.createPolicy("celeriac", {
      createScriptURL: (url) => {
        if (url !== address) throw new TypeError("Not our worker.");
        return url;
      },
    });
    worker = new Worker(policy?.createScriptURL(address) ?? address);
  } catch {
    worker = null;
  }
  return worker;
}

/** The layout; null until it has come. */
export function useLayout(boxes: number, lines: readonly Line[]): Layout | null {
  const shape = `${boxes}:${lines.join(";")}`;
  const isSmall = boxes + lines.length <= SMALL;
  const atOnce = useMemo(() => (isSmall ? layOut(boxes, lines) : null), [shape]);
  const [later, setLater] = useState<{ shape: string; layout: Layout } | null>(null);
  // Not after the paint, which large graphs make long: meanwhile the worker lays out.
  useLayoutEffect(() => {
    if (isSmall) return undefined;
    const helper = theWorker();
    if (!helper) {
      setLater({ shape, layout: layOut(boxes, lines) });
      return undefined;
    }
    asked += 1;
    const id = asked;
    const hear = (event: MessageEvent<{ id: number; layout: Layout }>) => {
      if (event.data.id === id) setLater({ shape, layout: event.data.layout });
    };
    const fail = () => {
      worker = null;
      setLater({ shape, layout: layOut(boxes, lines) });
    };
    helper.addEventListener("message", hear);
    helper.addEventListener("error", fail);
    // As plain numbers: a thousand pairs take 20 ms to be copied.
    helper.postMessage({ id, boxes, ends: Int32Array.from(lines.flat()) });
    return () => {
      helper.removeEventListener("message", hear);
      helper.removeEventListener("error", fail);
    };
  }, [shape]);
  return atOnce ?? (later?.shape === shape ? later.layout : null);
}
