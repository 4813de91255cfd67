// The rows of the list: pages by their cursor, kept as they were read, so that nothing moves under a pointer. What has
// not ended is asked for again; what is newer is only counted.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ask } from "../../api/client.ts";
import { ApiError } from "../../api/errors.ts";
import { type Data, useData } from "../../api/query.ts";
import type { Page, TaskRow } from "../../api/types.ts";
import { stillFits } from "../../logic/filters.ts";
import { justAfter } from "../../logic/moments.ts";
import { hasEnded } from "../../logic/status.ts";

/** What fills a window: a row is 600 bytes. Where it does not, or is scrolled, portions follow. */
const FIRST = 60;
const PORTION = 200;
const MOST = 100_000;
const NEWER = 100;
const ASKED = 200;

export interface TaskList {
  rows: readonly TaskRow[];
  total: number;
  isExact: boolean;
  message: string | null;
  error: ApiError | null;
  isLoading: boolean;
  /** Those that have gone on and are not what was asked for any more; they stay until the list is read anew. */
  past: ReadonlySet<string>;
  /** How many are newer than the first row; more than 99 are "99+". */
  newer: string | null;
  /** Whether the rows, or what tells how far they are, is an old answer, or could not be asked for again. */
  isOld: boolean;
  /** What tells how far they are. */
  reads: readonly Data<unknown>[];
  more: () => void;
  reload: () => void;
}

interface Loaded {
  query: string;
  rows: TaskRow[];
  known: Set<string>;
  past: ReadonlySet<string>;
  total: number;
  isExact: boolean;
  message: string | null;
  cursor: string | null;
  isWhole: boolean;
  /** Whether an answer was an old one. */
  isOld: boolean;
}

/** Read the tasks of a query, sorted as it says. */
export function useTaskList(query: URLSearchParams): TaskList {
  const text = query.toString();
  const [loaded, setLoaded] = useState<Loaded | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [turn, setTurn] = useState(0);
  const busy = useRef<AbortController | null>(null);
  const isByTime =
    (query.get("sort_by") ?? "created_at") === "created_at" && query.get("sort_order") !== "asc";

  const load = async (before: Loaded | null) => {
    busy.current?.abort();
    const abort = (busy.current = new AbortController());
    const limit = before ? PORTION : FIRST;
    const asked = new URLSearchParams(text);
    asked.set("limit", String(limit));
    asked.set("rows", "data");
    if (before?.cursor) asked.set("cursor", before.cursor);
    else if (before) asked.set("offset", String(before.rows.length));
    try {
      const { value, age } = await ask<Page<TaskRow>>("GET", "/search/tasks", {
        query: asked,
        signal: abort.signal,
      });
      // One set for as long as rows are added: a copy of a hundred thousand for each page would be felt.
      const known = before?.known ?? new Set<string>();
      const fresh = value.data.filter((row) => !known.has(row.task_id));
      for (const row of fresh) known.add(row.task_id);
      const rows = before ? before.rows.concat(fresh) : fresh;
      setLoaded({
        query: text,
        rows,
        known,
        past: before?.past ?? new Set(),
        total: value.total,
        isExact: value.total_is_exact,
        message: value.message ?? null,
        cursor: value.next_cursor,
        isWhole: value.data.length < limit || rows.length >= MOST,
        isOld: age !== null || before?.isOld === true,
      });
      setError(null);
    } catch (reason) {
      if (!abort.signal.aborted) setError(reason instanceof ApiError ? reason : new ApiError(0, {}));
    } finally {
      if (busy.current === abort) busy.current = null;
    }
  };
  // While the page is drawn, before everything beside the rows is asked for.
  useMemo(() => void load(null), [text, turn]);
  useEffect(() => () => busy.current?.abort(), []);

  const fits = useMemo(() => stillFits(query), [text]);
  const states = useFresh(loaded, setLoaded, fits);
  const later = useLater(isByTime && loaded?.query === text ? loaded : null, text);
  const newer = newerIn(later, loaded);
  const reads = [states, later];
  const isToldAnew = reads.some((read) => read.value !== undefined && !isOld(read));
  useEffect(() => {
    if (loaded?.isOld && isToldAnew) void load(null);
  }, [loaded?.isOld, isToldAnew]);
  useEffect(() => {
    // Where nothing is shown, nothing can move.
    if (newer !== null && loaded?.rows.length === 0) void load(null);
  }, [newer]);
  return {
    rows: loaded?.rows ?? [],
    total: loaded?.total ?? 0,
    isExact: loaded?.isExact ?? true,
    message: loaded?.message ?? null,
    error,
    isLoading: loaded?.query !== text && !error,
    past: loaded?.past ?? NONE,
    newer,
    isOld: loaded !== null && (loaded.isOld || error !== null || reads.some(isOld)),
    reads,
    more: () => {
      if (loaded && loaded.query === text && !loaded.isWhole && !busy.current) void load(loaded);
    },
    reload: () => setTurn(turn + 1),
  };
}

const NONE: ReadonlySet<string> = new Set();
const isOld = (read: Data<unknown>): boolean => read.age !== null || read.error !== undefined;

/** The tasks of the query that are newer than the first row: counted, not read. */
function useLater(loaded: Loaded | null, text: string): Data<Page<TaskRow>> {
  const first = loaded?.rows[0];
  const query = new URLSearchParams(text);
  if (first) query.set("created_after", justAfter(first.created_at));
  query.set("limit", "1");
  query.set("rows", "data");
  return useData<Page<TaskRow>>(loaded ? "/search/tasks" : null, { query, topics: ["tasks"] });
}

function newerIn(later: Data<Page<TaskRow>>, loaded: Loaded | null): string | null {
  const newer = later.value?.total ?? 0;
  if (!loaded || newer === 0) return null;
  return newer < NEWER ? String(newer) : `${NEWER - 1}+`;
}

const unended = (rows: readonly TaskRow[]) =>
  rows
    .filter((row) => !hasEnded(row))
    .slice(0, ASKED)
    .map((row) => row.task_id);

/** Ask again how far those are that have not ended. Only what has changed can be no more what was asked for. */
function useFresh(
  loaded: Loaded | null,
  setLoaded: (loaded: Loaded) => void,
  fits: (row: TaskRow) => boolean,
): Data<unknown> {
  const ids = useMemo(() => unended(loaded?.rows ?? []), [loaded]);
  const states = useData<{ data: Partial<TaskRow>[] }>(ids.length > 0 ? "/tasks/states" : null, {
    query: { ids },
    topics: ["tasks"],
  });
  const told = states.value;
  useEffect(() => {
    if (!loaded || !told) return;
    const byId = new Map(told.data.map((state) => [state.task_id, state]));
    const past = new Set(loaded.past);
    let isChanged = false;
    const rows = loaded.rows.map((row) => {
      const state = byId.get(row.task_id);
      if (
        !state ||
        (state.status === row.status && state.phase === row.phase && state.retry_count === row.retry_count)
      )
        return row;
      isChanged = true;
      const fresh = { ...row, ...state };
      if (fits(fresh)) past.delete(row.task_id);
      else past.add(row.task_id);
      return fresh;
    });
    if (isChanged) setLoaded({ ...loaded, rows, past });
  }, [told]);
  return states;
}
