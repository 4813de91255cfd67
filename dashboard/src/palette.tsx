// ⌘K: every page, what can be done, whatever there is by its name or the beginning of its id, any words to search for.

import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { lackOf, mayOpen } from "./allowed.ts";
import { segment } from "./api/client.ts";
import { isPaused, togglePause } from "./api/live.ts";
import { refreshScreen } from "./api/query.ts";
import { may, me } from "./api/session.ts";
import { type Found as FoundThings, useFound } from "./finding.ts";
import { allKeys } from "./keys.ts";
import { isIt, looksLikeId, type Thing } from "./logic/finding.ts";
import type { Worker } from "./pages/workers/types.ts";
import { leave } from "./parts/actions.tsx";
import { Combobox, type Option } from "./parts/combobox.tsx";
import { Dialog } from "./parts/dialog.tsx";
import { say } from "./parts/toasts.tsx";
import { go } from "./router.ts";
import { ROUTES } from "./routes.ts";
import { theme, zone } from "./settings.ts";
import { WORDS } from "./words.ts";

export const isPaletteOpen = signal(false);

interface Found extends Option {
  run: () => void;
}

/** What a kind of thing is called over a list of it. */
const GROUPS: Record<string, string> = {
  queue: "Queues",
  worker: "Workers",
  "task name": "Task names",
  workflow: "Workflows",
  task: "Tasks",
  "alert rule": "Alert rules",
  webhook: "Webhooks",
  channel: "Notification channels",
  "API key": "API keys",
};
/** So many workers are offered to be paused or resumed. */
const MOST_WORKERS = 8;

const FILTERS: readonly [string, string][] = [
  ["Failed tasks of the last hour", "status=FAILED&created_after=-1h"],
  ["Running tasks", "status=RUNNING"],
  ["Waiting tasks", "status=PENDING"],
  ["Slow tasks, over a minute", "min_duration=60"],
];

/** Every page that may be opened, and those that may not. */
function pages(): { open: Found[]; denied: Found[] } {
  const open: Found[] = [];
  const denied: Found[] = [];
  for (const route of ROUTES) {
    if (route.path.includes(":")) continue;
    const lack = lackOf(route);
    if (lack === null)
      open.push({
        value: route.path,
        label: route.title,
        note: route.letter ? `g ${route.letter}` : undefined,
        group: "Go to",
        run: () => go(route.path),
      });
    else
      denied.push({
        value: route.path,
        label: route.title,
        note: `needs ${lack}`,
        group: "Not with your key",
        run: () => say(`${route.title} needs ${lack}.`),
      });
  }
  return { open, denied };
}

function filters(): Found[] {
  if (!mayOpen("/tasks")) return [];
  return FILTERS.map(([label, query]) => ({
    value: query,
    label,
    group: "Filter",
    run: () => go("/tasks", { query: new URLSearchParams(query) }),
  }));
}

function actions(): Found[] {
  const dark = theme.peek() === "dark";
  const all: Omit<Found, "value" | "group">[] = [
    { label: isPaused.peek() ? WORDS.resumePage : WORDS.pausePage, note: "p", run: togglePause },
    { label: "Refresh this page", note: ".", run: refreshScreen },
    { label: dark ? "Light theme" : "Dark theme", run: () => (theme.value = dark ? "light" : "dark") },
    {
      label: zone.peek() === "utc" ? "Times of this browser" : "Times in UTC",
      run: () => (zone.value = zone.peek() === "utc" ? "local" : "utc"),
    },
    { label: "Keyboard shortcuts", note: "?", run: () => (isHelpOpen.value = true) },
  ];
  if (may("submit"))
    all.push({ label: "Submit a workflow", run: () => go("/submit", { query: { as: "workflow" } }) });
  if (me.peek() !== null && me.peek()!.kind !== "local") all.push({ label: WORDS.signOut, run: leave });
  return all.map((one) => ({ ...one, value: one.label ?? "", group: "Do" }));
}

/** What can be done to workers, for whoever may: what pauses one is fetched when it is chosen. */
function workerActions(workers: readonly Worker[]): Found[] {
  if (!may("operate")) return [];
  const told = workers.filter((one) => one.last_heartbeat !== null);
  return told.flatMap((worker) => {
    const verb = worker.status === "ACTIVE" ? "pause" : worker.status === "PAUSED" ? "resume" : null;
    if (verb === null) return [];
    const run = async () => (await import("./pages/workers/actions.tsx"))[verb](worker);
    const label = `${verb === "pause" ? "Pause" : "Resume"} worker ${worker.hostname}`;
    return [{ value: `${verb} ${worker.worker_id}`, label, group: "Do to a worker", run }];
  });
}

/** What an id may be of, where nothing is known by it, or not yet. */
function byId(id: string): Found[] {
  const kinds = ["Task", "Workflow", ...(mayOpen("/workers") ? ["Worker"] : [])];
  return kinds.map((kind) => ({
    value: `${kind} ${id}`,
    label: `${kind} ${id}`,
    group: "By id",
    run: () => go(`/${kind.toLowerCase()}s/${segment(id)}`),
  }));
}

const asFound = (thing: Thing): Found => ({
  value: `${thing.kind} ${thing.id}`,
  label: thing.label,
  note: thing.note,
  group: GROUPS[thing.kind],
  run: () => go(thing.to),
});

/** Pages and actions first, so that the name of one is enough for Enter; but an id is looked for before all. */
function everything(text: string, found: FoundThings): Found[] {
  const words = text.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const isMeant = (one: Found) =>
    words.every((word) => `${one.label} ${one.group}`.toLowerCase().includes(word));
  const id = looksLikeId(text.trim()) ? text.trim() : null;
  const { open, denied } = pages();
  const things = found.things.map(asFound);
  const rest = [...open.filter(isMeant), ...actions().filter(isMeant), ...filters().filter(isMeant)];
  const search = {
    value: "search",
    label: `Tasks with “${text.trim()}”`,
    group: "Search",
    run: () => go("/tasks", { query: { search: text.trim() } }),
  };
  return [
    ...(id !== null && ![...found.things, ...found.tasks].some((one) => isIt(one, id)) ? byId(id) : []),
    ...(id === null ? [...rest, ...things] : [...things, ...rest]),
    // Behind the worker itself: whoever types its name and presses Enter wants to see it.
    ...(words.length > 0 ? workerActions(found.workers).filter(isMeant).slice(0, MOST_WORKERS) : []),
    ...found.tasks.map(asFound),
    ...denied.filter(isMeant),
    ...(words.length > 0 && mayOpen("/tasks") ? [search] : []),
  ];
}

export function Palette() {
  const [text, setText] = useState("");
  const found = useFound(text);
  const options = everything(text, found);
  const close = () => {
    isPaletteOpen.value = false;
  };
  const choose = (option: Option | undefined) => {
    if (!option) return;
    close();
    (option as Found).run();
  };
  return (
    <Dialog title="Find anything" onClose={close}>
      <div class="palette">
        <Combobox
          label={WORDS.findWhat}
          placeholder={WORDS.findWhat}
          value={text}
          onInput={setText}
          options={options}
          onChoose={choose}
          onSubmit={() => choose(options[0])}
          autoFocus
          always
        />
        <p class="palette-note muted" role="status">
          {found.isLooking ? WORDS.looking : found.isPartial ? WORDS.notAllFound : ""}
        </p>
      </div>
    </Dialog>
  );
}

export const isHelpOpen = signal(false);

/** The keys that hold on this page. */
export function KeyHelp() {
  return (
    <Dialog title="Keyboard shortcuts" onClose={() => (isHelpOpen.value = false)}>
      <dl class="facts key-list">
        {allKeys().map(([key, does]) => (
          <div key={key}>
            <dt>
              {key.split(" ").map((part) => (
                <kbd key={part}>{part.replace("mod+", "Ctrl ").replace("shift+", "Shift ")}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
