// Every task: a bar to choose, a list to look through, a look beside, and what can be done with those selected.
import { signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { apiUrl, call, segment } from "../../api/client.ts";
import { useData } from "../../api/query.ts";
import { isLimited, may } from "../../api/session.ts";
import type { Page as Rows } from "../../api/types.ts";
import { useKeys } from "../../keys.ts";
import { cancellable, restOf } from "../../logic/cancels.ts";
import { filtersOfParams, paramsOfFilters, queryOf } from "../../logic/filters.ts";
import { count, plural } from "../../logic/format.ts";
import { type Made, type Outcome, outcomeOf } from "../../logic/many.ts";
import { act, actOnEach, Confirm } from "../../parts/actions.tsx";
import { asCeleriac, asCurl, CopyAs, copy, Id } from "../../parts/copy.tsx";
import { Dialog } from "../../parts/dialog.tsx";
import { Grid, SelectionBar } from "../../parts/grid.tsx";
import { useHeld } from "../../parts/held.tsx";
import { Icon } from "../../parts/icons.tsx";
import { ReceiptOfMany } from "../../parts/many.tsx";
import { PageHead, type PageProps } from "../../parts/page.tsx";
import { AsOf, Empty, ErrorBox, Loading, none } from "../../parts/states.tsx";
import { say } from "../../parts/toasts.tsx";
import { go, href, params, setParams } from "../../router.ts";
import { ReplayedBefore, SomeReplayedBefore } from "../task/replays.tsx";
import { FilterBar } from "./bar.tsx";
import { ColumnMenu, shownColumns, taskPath } from "./columns.tsx";
import { FacetPanel } from "./facets.tsx";
import { TimeBrush } from "./histogram.tsx";
import { lastList } from "./last.ts";
import { Peek } from "./peek.tsx";
import { useTaskList } from "./rows.ts";
import { WORDS } from "./words.ts";
import "./page.css";

const MOST_SELECTED = 200;
const selected = signal<ReadonlySet<string>>(new Set());
/** What became of what was last done to the selected ones. */
const outcome = signal<Outcome | null>(null);
const asking = signal<"cancel" | "replay" | "save" | "filters" | null>(null);

export default function Page(_props: PageProps) {
  const query = queryOf(params.value);
  const shown = new URLSearchParams(query);
  const by = params.value.get("sort_by") ?? "created_at";
  const order = params.value.get("sort_order") === "asc" ? "asc" : "desc";
  shown.set("sort_by", by);
  shown.set("sort_order", order);
  const list = useTaskList(shown);
  const held = useHeld(may("read") && list.rows.some((row) => row.phase === "dispatching"));
  const peeked = params.value.get("peek");
  const peekedRow = list.rows.find((row) => row.task_id === peeked);
  useEffect(() => {
    lastList.value = list.rows.map((row) => row.task_id);
  }, [list.rows]);
  useEffect(() => {
    selected.value = new Set();
  }, [query.toString()]);
  const chosen = () => (selected.value.size > 0 ? [...selected.value] : peeked ? [peeked] : []);
  const replayable = may("operate");
  const open = cancellable(chosen(), list.rows);
  const askCancel = () => {
    if (open.length > 0) asking.value = "cancel";
    else if (chosen().length > 0) say(WORDS.allEnded);
  };
  useKeys({
    ...(replayable && { c: { does: "cancel the selected", run: askCancel } }),
    r: { does: "replay the selected", run: () => replayable && chosen().length && (asking.value = "replay") },
    d: { does: "compare two selected", run: () => compare([...selected.value]) },
    y: {
      does: "copy ids",
      run: () => chosen().length && copy(chosen().join("\n"), `${plural(chosen().length, "id")} copied`),
    },
    Y: {
      does: "copy this view as curl",
      run: () => copy(asCurl({ path: "/search/tasks", query: shown }), "Copied as curl"),
    },
    Escape: {
      does: "close or clear",
      run: () => (selected.value.size > 0 ? (selected.value = new Set()) : setParams({ peek: null })),
    },
  });
  const hasFilter = query.toString() !== "";
  return (
    <>
      <div class="tasks-head">
        <PageHead title={WORDS.title} state={list.rows.length ? count(list.total, list.isExact) : undefined}>
          <Views />
          {may("operate") && !isLimited.value && hasFilter && (
            <button type="button" class="button" onClick={() => (asking.value = "save")}>
              <Icon name="star" /> {WORDS.save}
            </button>
          )}
          <a class="button" href={apiUrl("/search/tasks/export/csv", shown)} download>
            <Icon name="download" /> {WORDS.csv}
          </a>
          <ColumnMenu />
          <CopyAs command={{ path: "/search/tasks", query: shown }} until="created_before" />
        </PageHead>
        {outcome.value && <ReceiptOfMany of={outcome.value} onClose={() => (outcome.value = null)} />}
        <FilterBar onMore={() => (asking.value = "filters")} />
        <TimeBrush />
      </div>
      <div class="tasks-body" data-peek={peeked ? "" : undefined}>
        <FacetPanel />
        <div class="tasks-list" data-stale={list.isOld ? "" : undefined}>
          <div class="tasks-line num">
            <span>
              {list.isLoading && list.rows.length === 0
                ? "…"
                : plural(list.total, "task", "tasks", list.isExact)}
            </span>
            {list.past.size > 0 && (
              <button type="button" class="link" onClick={list.reload}>
                {plural(list.past.size, WORDS.past, WORDS.pastMany)}
              </button>
            )}
            {list.newer && (
              <button type="button" class="pill" onClick={list.reload}>
                <Icon name="sortUp" /> {list.newer} {WORDS.newer}
              </button>
            )}
          </div>
          <AsOf reads={list.reads} />
          {list.error && <ErrorBox error={list.error} onRetry={list.reload} />}
          {list.message && <p class="note">{list.message}</p>}
          {list.isLoading && list.rows.length === 0 ? (
            <Loading lines={3} />
          ) : list.rows.length === 0 && !list.error ? (
            <Nothing hasFilter={hasFilter} />
          ) : (
            <Grid
              label={WORDS.title}
              fill
              rows={list.rows}
              columns={shownColumns(params.value.get("columns"), list.rows, held.value)}
              rowKey={(row) => row.task_id}
              isPast={(row) => list.past.has(row.task_id)}
              total={list.total}
              isExact={list.isExact}
              selected={selected}
              peeked={peeked}
              onOpen={(row) => go(taskPath(row.task_id))}
              onPeek={(row) => setParams({ peek: row.task_id }, { replace: peeked !== null })}
              onEnd={list.more}
              sort={{ by, order, set: (sort_by, sort_order) => setParams({ sort_by, sort_order }) }}
            />
          )}
          <SelectionBar selected={selected}>
            {may("operate") && (
              <>
                <button
                  type="button"
                  class="button"
                  data-tone="failed"
                  disabled={open.length === 0}
                  title={open.length === 0 ? WORDS.allEnded : undefined}
                  onClick={askCancel}
                >
                  Cancel{" "}
                  {open.length > 0 && open.length < selected.value.size ? `${count(open.length)} ` : ""}
                  <kbd>c</kbd>
                </button>
                <button type="button" class="button" onClick={() => (asking.value = "replay")}>
                  Replay <kbd>r</kbd>
                </button>
              </>
            )}
            {selected.value.size === 2 && (
              <button type="button" class="button" onClick={() => compare([...selected.value])}>
                Compare <kbd>d</kbd>
              </button>
            )}
            <button
              type="button"
              class="button"
              onClick={() => copy([...selected.value].join("\n"), "Ids copied")}
            >
              Copy ids <kbd>y</kbd>
            </button>
          </SelectionBar>
        </div>
        {peeked && <Peek id={peeked} row={peekedRow} onClose={() => setParams({ peek: null })} />}
      </div>
      {(asking.value === "cancel" || asking.value === "replay") && (
        <AskAct
          verb={asking.value}
          ids={asking.value === "cancel" ? open : chosen()}
          rest={asking.value === "cancel" ? restOf(open.length, chosen().length) : ""}
          onDone={list.reload}
        />
      )}
      {asking.value === "save" && <SaveView />}
      {asking.value === "filters" && (
        <Filters found={list.isLoading ? null : plural(list.total, "task", "tasks", list.isExact)} />
      )}
    </>
  );
}

function compare(ids: string[]): void {
  if (ids.length === 2) go("/compare", { query: { a: ids[0], b: ids[1] } });
  else say("Select two tasks to compare them.");
}

function AskAct({
  verb,
  ids,
  rest,
  onDone,
}: {
  verb: "cancel" | "replay";
  ids: string[];
  /** What is said of the others that are selected. */
  rest: string;
  onDone: () => void;
}) {
  const some = ids.slice(0, MOST_SELECTED);
  const what = `${verb === "cancel" ? "Cancel" : "Replay"} ${plural(some.length, "task")}`;
  const run = async () => {
    const made: Made[] = [];
    const failures = await actOnEach(some, async (id) => {
      const answer = await call<Made>("POST", `/tasks/${segment(id)}/${verb}`);
      if (verb === "replay") made.push(answer);
    });
    outcome.value = outcomeOf({ verb, all: some.length, made, failures: failures.values(), at: Date.now() });
    selected.value = new Set();
    onDone();
  };
  return (
    <Confirm
      title={`${what}?`}
      verb={what}
      tone={verb === "cancel" ? "failed" : "plain"}
      count={some.length}
      onClose={() => (asking.value = null)}
      onConfirm={run}
      command={
        some.length === 1 ? { method: "POST", path: `/tasks/${segment(some[0]!)}/${verb}` } : undefined
      }
    >
      <p>
        {verb === "cancel"
          ? "What has not started never runs. What runs is stopped, and its page shows the proof."
          : "Each becomes a new task with the same arguments."}
      </p>
      {rest && <p>{rest}</p>}
      {verb === "replay" && some.length === 1 && <ReplayedBefore id={some[0]!} />}
      {verb === "replay" && some.length > 1 && <SomeReplayedBefore ids={some} />}
      {ids.length > some.length && (
        <p class="note">At most {MOST_SELECTED} at once: the first ones are taken.</p>
      )}
      <ul class="tasks-asked">
        {some.slice(0, 5).map((id) => (
          <li key={id}>
            <Id id={id} />
          </li>
        ))}
        {some.length > 5 && <li class="muted">and {count(some.length - 5)} more</li>}
      </ul>
    </Confirm>
  );
}

interface Preset {
  name: string;
  description: string;
  filters: Record<string, unknown>;
  built_in: boolean;
}

/** Filters with a name, shared by all: each is an address. */
function Views() {
  const presets = useData<Rows<Preset>>(isLimited.value ? null : "/search/presets", {
    query: { limit: 100 },
  });
  const now = queryOf(params.value).toString();
  if (!presets.value) return null;
  return (
    <nav class="tasks-views" aria-label="Views">
      <a class="chip" href={href("/tasks")} aria-current={now === "" ? "page" : undefined}>
        {WORDS.all}
      </a>
      {presets.value.data.slice(0, 6).map((preset) => {
        const filters = paramsOfFilters(preset.filters);
        return (
          <a
            key={preset.name}
            class="chip"
            href={href("/tasks", filters)}
            title={preset.description}
            aria-current={now === filters.toString() ? "page" : undefined}
          >
            {preset.name.replaceAll("_", " ")}
          </a>
        );
      })}
    </nav>
  );
}

/** Views and what matches, where there is no room for them beside the list. */
function Filters({ found }: { found: string | null }) {
  const close = () => (asking.value = null);
  return (
    <Dialog
      title={WORDS.filters}
      onClose={close}
      footer={
        <>
          <span class="spacer" />
          <button type="button" class="button primary" onClick={close}>
            {found === null ? WORDS.showThem : `Show ${found}`}
          </button>
        </>
      }
    >
      <div class="tasks-filters">
        <Views />
        <FacetPanel />
      </div>
    </Dialog>
  );
}

function SaveView() {
  const name = useSignal("");
  const close = () => (asking.value = null);
  const save = async (event: Event) => {
    event.preventDefault();
    const body = { name: name.value, filters: filtersOfParams(params.peek()) };
    if (await act("POST", "/search/presets", { body, done: WORDS.saved })) close();
  };
  return (
    <Dialog title={WORDS.save} onClose={close}>
      <form onSubmit={save} class="labelled">
        <label class="labelled">
          Name
          <input
            class="field"
            required
            pattern="[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}"
            onInput={(event) => (name.value = event.currentTarget.value)}
          />
          <small>Letters, digits, and _ . - between them. Everybody sees it.</small>
        </label>
        <div class="actions">
          <button type="submit" class="button primary">
            {WORDS.save}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function Nothing({ hasFilter }: { hasFilter: boolean }) {
  if (!hasFilter)
    return (
      <Empty title={none(WORDS.noTasks)} icon="inbox">
        {may("submit") && (
          <>
            <p class="mono">
              {asCeleriac("submit", "celeriac.wordcount", "--args", '["to be or not to be"]')}
            </p>
            <a href={href("/submit")}>Submit one</a>
          </>
        )}
      </Empty>
    );
  return (
    <Empty title={WORDS.none} icon="search">
      <p>Take a word or a filter away, or</p>
      <a class="button" href={href("/tasks")}>
        {WORDS.clear}
      </a>
    </Empty>
  );
}
