// Whatever is drawn passes here: names, errors and arguments of tasks are text that others chose, and none of it may
// make a line read otherwise than it is. One place, so that no page can forget it.
import { options, type VNode } from "preact";
import { printable } from "./logic/printable.ts";

const SHOWN = ["title", "aria-label", "placeholder", "alt", "label"] as const;

/** Have each text, and each attribute that is read, drawn as it may be shown. */
export function drawPrintable(): void {
  const before = options.vnode;
  options.vnode = (node) => {
    if (typeof node.type === "string") showAttributes(node as VNode<Record<string, unknown>>);
    // A text is a node without a type, whose properties are the text.
    else if (typeof node.props === "string") (node as { props: unknown }).props = printable(node.props);
    before?.(node);
  };
}

function showAttributes(node: VNode<Record<string, unknown>>): void {
  for (const name of SHOWN) {
    const text = node.props[name];
    if (typeof text !== "string") continue;
    const shown = printable(text);
    if (shown !== text) node.props = { ...node.props, [name]: shown };
  }
}
