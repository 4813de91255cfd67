// Rows with columns: only those on the screen are drawn, one of them has the focus, some are selected.
//
// Keys: j k and arrows move, Enter opens, o looks in beside, x selects, Shift with arrows extends, Ctrl A takes all
// that are loaded, Esc clears.
import type { Signal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useKeys } from "../keys.ts";
import { count } from "../logic/format.ts";
import { density } from "../settings.ts";
import { Icon } from "./icons.tsx";

export interface Column<Row> {
  id: string;
  title: string;
  cell: (row: Row) => ComponentChildren;
  /** A track of `grid-template-columns`, e.g. `minmax(120px, 2fr)`. */
  width?: string;
  align?: "end";
  /** What the API sorts by; without it the header is no button. */
  sort?: string;
  /** Left out while the grid is narrower than so many pixels. */
  from?: number;
  /** Where the page is narrow: `title` is the first line of the card, `hide` is left out, `named` has its title before
   * it. */
  narrow?: "title" | "hide" | "named";
}

export interface GridProps<Row> {
  label: string;
  rows: readonly Row[];
  columns: readonly Column<Row>[];
  rowKey: (row: Row) => string;
  /** How many there are, where not all are loaded. */
  total?: number;
  isExact?: boolean;
  onOpen?: (row: Row) => void;
  onPeek?: (row: Row) => void;
  /** The row that is looked into beside. */
  peeked?: string | null;
  selected?: Signal<ReadonlySet<string>>;
  sort?: { by: string; order: "asc" | "desc"; set: (by: string, order: "asc" | "desc") => void };
  /** Called near the end of what is loaded. */
  onEnd?: () => void;
  /** Fill the rest of the window and scroll inside; else the page scrolls. */
  fill?: boolean;
  /** Whether a row is there still, and is not what was asked for any more: it is greyed. */
  isPast?: (row: Row) => boolean;
}

const NARROW = "(max-width: 640px)";
const CARD = 76;
const BEYOND = 8;
const narrow = matchMedia(NARROW);

export function Grid<Row>(props: GridProps<Row>) {
  const { rows, rowKey, selected } = props;
  const body = useRef<HTMLDivElement>(null);
  // Null until it was measured: rows are drawn once it is known how many and which of their cells fit.
  const [width, setWidth] = useState<number | null>(null);
  const [current, setCurrent] = useState<string | null>(null);
  const [span, setSpan] = useState<readonly [number, number]>([0, 0]);
  const isNarrow = useNarrow();
  const columns = isNarrow
    ? props.columns
    : props.columns.filter((column) => (column.from ?? 0) <= (width ?? 0));
  const height = isNarrow ? CARD : density.value === "compact" ? 26 : 32;
  const isVirtual = Boolean(props.fill);
  const anchor = useRef<number | null>(null);
  /** The place of the row that gets the focus. */
  const wanted = useRef<number | null>(null);
  const found = current === null ? -1 : rows.findIndex((row) => rowKey(row) === current);
  const at = Math.max(found, 0);

  const look = () => {
    const box = body.current;
    if (!box || !isVirtual) return;
    const first = Math.max(0, Math.floor(box.scrollTop / height) - BEYOND);
    const last = Math.ceil((box.scrollTop + box.clientHeight) / height) + BEYOND;
    setSpan((was) => (was[0] === first && was[1] === last ? was : [first, last]));
    if (last >= rows.length - 2 * BEYOND) props.onEnd?.();
  };
  useLayoutEffect(() => {
    if (body.current) setWidth(body.current.clientWidth);
    look();
  }, [rows.length, height, isVirtual]);
  useEffect(() => {
    if (!body.current) return undefined;
    const watch = new ResizeObserver(([entry]) => {
      setWidth(Math.floor(entry!.contentRect.width));
      look();
    });
    watch.observe(body.current);
    return () => watch.disconnect();
  }, [isVirtual, height, rows.length]);

  // At once, or as soon as it is drawn: the next key is pressed on it.
  const focusWanted = () => {
    if (wanted.current === null) return;
    const row = body.current?.querySelector<HTMLElement>(`[aria-rowindex="${wanted.current + 2}"]`);
    if (!row) return;
    wanted.current = null;
    row.focus({ preventScroll: isVirtual });
  };
  useLayoutEffect(focusWanted);

  const move = (to: number, extends_ = false) => {
    const target = Math.max(0, Math.min(rows.length - 1, to));
    const row = rows[target];
    if (!row) return;
    if (extends_ && selected) {
      anchor.current ??= at;
      const [low, high] = [Math.min(anchor.current, target), Math.max(anchor.current, target)];
      selected.value = new Set([...selected.value, ...rows.slice(low, high + 1).map(rowKey)]);
    } else anchor.current = null;
    setCurrent(rowKey(row));
    const box = body.current;
    if (box && isVirtual) {
      const head = isNarrow ? 0 : 32;
      const top = target * height;
      if (top < box.scrollTop) box.scrollTop = top;
      else if (top + height > box.scrollTop + box.clientHeight - head)
        box.scrollTop = top + height - box.clientHeight + head;
      look();
    }
    wanted.current = target;
    focusWanted();
    if (props.peeked && props.onPeek) props.onPeek(row);
  };
  const toggle = (row: Row) => {
    if (!selected) return;
    const next = new Set(selected.value);
    if (!next.delete(rowKey(row))) next.add(rowKey(row));
    selected.value = next;
  };
  const here = () => rows[at];
  useKeys({
    j: { does: "next row", run: () => move(found < 0 ? 0 : at + 1) },
    k: { does: "row before", run: () => move(at - 1) },
    ...(props.onPeek && {
      o: { does: "look into the row beside", run: () => here() && props.onPeek!(here()!) },
    }),
    ...(selected && {
      x: { does: "select the row", run: () => here() && toggle(here()!) },
    }),
  });
  const onKeyDown = (event: JSX.TargetedKeyboardEvent<HTMLDivElement>) => {
    if ((event.target as Element).closest("button, a, input") && event.key === "Enter") return;
    const page = Math.max(1, Math.floor((body.current?.clientHeight ?? 400) / height) - 2);
    const to = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      Home: 0,
      End: rows.length - 1,
      PageDown: at + page,
      PageUp: at - page,
    }[event.key];
    if (to !== undefined) move(to, event.shiftKey);
    else if (event.key === "Enter" && props.onOpen && here()) props.onOpen(here()!);
    else if (event.key === "a" && (event.metaKey || event.ctrlKey) && selected)
      selected.value = new Set(rows.map(rowKey));
    else if (event.key === "Escape" && selected && selected.value.size > 0) selected.value = new Set();
    else return;
    event.preventDefault();
  };

  const [first, last] = isVirtual ? span : [0, rows.length];
  const drawn = width === null ? [] : rows.slice(first, last);
  const tracks = `${selected ? "28px " : ""}${columns.map((column) => column.width ?? "minmax(0, 1fr)").join(" ")}`;
  const allSelected = selected && rows.length > 0 && rows.every((row) => selected.value.has(rowKey(row)));
  return (
    <div
      class={isVirtual ? "grid fill" : "grid"}
      role="grid"
      aria-label={props.label}
      aria-rowcount={props.isExact === false ? -1 : (props.total ?? rows.length) + 1}
      aria-colcount={columns.length + (selected ? 1 : 0)}
      aria-multiselectable={selected ? true : undefined}
      ref={body}
      onScroll={look}
      onKeyDown={onKeyDown}
      tabIndex={-1}
      style={{ "--tracks": tracks }}
    >
      <div class="grid-head" role="row" aria-rowindex={1}>
        {selected && (
          <span role="columnheader" class="grid-check">
            <input
              type="checkbox"
              aria-label="Select all that are loaded"
              checked={allSelected}
              onChange={() => (selected.value = allSelected ? new Set() : new Set(rows.map(rowKey)))}
            />
          </span>
        )}
        {columns.map((column) => (
          <Head key={column.id} column={column} sort={props.sort} />
        ))}
      </div>
      {isVirtual && <div role="presentation" style={{ height: `${first * height}px` }} />}
      {drawn.map((row, index) => {
        const key = rowKey(row);
        const place = first + index;
        const isSelected = selected?.value.has(key) ?? false;
        return (
          <div
            key={key}
            class="grid-row"
            role="row"
            aria-rowindex={place + 2}
            aria-selected={selected ? isSelected : undefined}
            data-peeked={props.peeked === key ? "" : undefined}
            data-past={props.isPast?.(row) ? "" : undefined}
            tabIndex={place === at || (found < first && index === 0) ? 0 : -1}
            onFocus={() => setCurrent(key)}
            onClick={(event) => {
              if ((event.target as Element).closest("a, button, input") || String(getSelection())) return;
              if (event.shiftKey || event.ctrlKey || event.metaKey) toggle(row);
              else if (props.onPeek && !isNarrow) props.onPeek(row);
              else props.onOpen?.(row);
            }}
          >
            {selected && (
              <span role="gridcell" class="grid-check">
                <input
                  type="checkbox"
                  tabIndex={-1}
                  aria-label={`Select ${key}`}
                  checked={isSelected}
                  onChange={() => toggle(row)}
                />
              </span>
            )}
            {columns.map((column) => (
              <span
                key={column.id}
                role="gridcell"
                class="cell"
                data-align={column.align}
                data-narrow={column.narrow}
                data-title={column.title}
              >
                {column.cell(row)}
              </span>
            ))}
          </div>
        );
      })}
      {isVirtual && (
        <div role="presentation" style={{ height: `${Math.max(0, rows.length - last) * height}px` }} />
      )}
    </div>
  );
}

function Head<Row>({ column, sort }: { column: Column<Row>; sort: GridProps<Row>["sort"] }) {
  const isBy = sort !== undefined && column.sort === sort.by;
  const state = isBy
    ? sort.order === "asc"
      ? "ascending"
      : "descending"
    : column.sort && sort
      ? "none"
      : undefined;
  return (
    <span role="columnheader" aria-sort={state} data-align={column.align} data-narrow={column.narrow}>
      {sort && column.sort ? (
        <button
          type="button"
          class="sort"
          onClick={() => sort.set(column.sort!, isBy && sort.order === "desc" ? "asc" : "desc")}
        >
          {column.title}
          {isBy && <Icon name={sort.order === "asc" ? "sortUp" : "sortDown"} />}
        </button>
      ) : (
        column.title
      )}
    </span>
  );
}

function useNarrow(): boolean {
  const [is, set] = useState(narrow.matches);
  useEffect(() => {
    const change = () => set(narrow.matches);
    narrow.addEventListener("change", change);
    return () => narrow.removeEventListener("change", change);
  }, []);
  return is;
}

/** What can be done with the selected rows; nothing while none is. */
export function SelectionBar({
  selected,
  children,
}: {
  selected: Signal<ReadonlySet<string>>;
  children: ComponentChildren;
}) {
  if (selected.value.size === 0) return null;
  return (
    <div class="selection-bar" role="toolbar" aria-label="Selected rows">
      <b class="num">{count(selected.value.size)} selected</b>
      {children}
      <button type="button" class="button quiet-button" onClick={() => (selected.value = new Set())}>
        Clear <kbd>Esc</kbd>
      </button>
    </div>
  );
}
