// A JSON value as a tree of text: every digit kept, long things folded, nothing of it made a link.
import { useState } from "preact/hooks";
import { writeExact } from "../api/json.ts";
import { count, plural } from "../logic/format.ts";
import { copy } from "./copy.tsx";
import { Icon } from "./icons.tsx";

const FIRST = 50;
const LONG_TEXT = 2_000;

export function JsonView({ value, label, open = 2 }: { value: unknown; label: string; open?: number }) {
  return (
    <div class="json" role="group" aria-label={label} tabIndex={0}>
      <button
        type="button"
        class="icon-button small json-copy"
        aria-label={`Copy ${label}`}
        onClick={() => copy(writeExact(value, 2))}
      >
        <Icon name="copy" />
      </button>
      <Node value={value} open={open} />
    </div>
  );
}

function Node({ name, value, open }: { name?: string; value: unknown; open: number }) {
  const [isOpen, setOpen] = useState(open > 0);
  const [shown, setShown] = useState(FIRST);
  const key = name === undefined ? null : <span class="json-key">{name}: </span>;
  if (value === null || typeof value !== "object")
    return (
      <div class="json-row">
        {key}
        <Leaf value={value} />
      </div>
    );
  const isList = Array.isArray(value);
  const items = isList ? value.map((item, index) => [String(index), item] as const) : Object.entries(value);
  const brackets = isList ? "[]" : "{}";
  if (items.length === 0)
    return (
      <div class="json-row">
        {key}
        {brackets}
      </div>
    );
  return (
    <div>
      <button type="button" class="json-fold" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        <Icon name={isOpen ? "down" : "right"} />
        {key}
        <span class="muted">
          {brackets[0]}
          {isOpen ? "" : "…"}
          {isOpen ? "" : brackets[1]} {count(items.length)}
        </span>
      </button>
      {isOpen && (
        <div class="json-inside">
          {items.slice(0, shown).map(([inner, item]) => (
            <Node key={inner} name={inner} value={item} open={open - 1} />
          ))}
          {items.length > shown && (
            <button type="button" class="link" onClick={() => setShown(shown + 10 * FIRST)}>
              {count(items.length - shown)} more
            </button>
          )}
        </div>
      )}
    </div>
  );
}

function Leaf({ value }: { value: unknown }) {
  const [isWhole, setWhole] = useState(false);
  if (typeof value !== "string") return <span class="json-atom">{String(value)}</span>;
  const isLong = value.length > LONG_TEXT && !isWhole;
  return (
    <span class="json-text">
      "{isLong ? value.slice(0, LONG_TEXT) : value}"
      {isLong && (
        <button type="button" class="link" onClick={() => setWhole(true)}>
          {plural(value.length - LONG_TEXT, "more character")}
        </button>
      )}
    </span>
  );
}
