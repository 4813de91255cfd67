// ⌘K: every page, what can be done here, any id, any words to search for.

import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { lackOf } from "./allowed.ts";
import { togglePause } from "./api/live.ts";
import { isLimited } from "./api/session.ts";
import { allKeys } from "./keys.ts";
import { Combobox, type Option } from "./parts/combobox.tsx";
import { Dialog } from "./parts/dialog.tsx";
import { say } from "./parts/toasts.tsx";
import { go } from "./router.ts";
import { ROUTES } from "./routes.ts";
import { theme, zone } from "./settings.ts";

export const isPaletteOpen = signal(false);

interface Found extends Option {
  run: () => void;
}

const looksLikeId = (text: string) =>
  /^[0-9a-f]{8}-[0-9a-f-]{10,}$/i.test(text) || (text.length >= 20 && !/\s/.test(text));

function everything(text: string): Found[] {
  const found: Found[] = [];
  const denied: Found[] = [];
  const words = text.trim();
  if (looksLikeId(words)) {
    found.push({
      value: `task:${words}`,
      label: `Task ${words}`,
      group: "By id",
      run: () => go(`/tasks/${encodeURIComponent(words)}`),
    });
    found.push({
      value: `workflow:${words}`,
      label: `Workflow ${words}`,
      group: "By id",
      run: () => go(`/workflows/${encodeURIComponent(words)}`),
    });
    if (!isLimited.peek())
      found.push({
        value: `worker:${words}`,
        label: `Worker ${words}`,
        group: "By id",
        run: () => go(`/workers/${encodeURIComponent(words)}`),
      });
  }
  for (const route of ROUTES) {
    if (route.path.includes(":")) continue;
    const lack = lackOf(route);
    if (lack !== null) {
      denied.push({
        value: route.path,
        label: route.title,
        note: `needs ${lack}`,
        group: "Not with your key",
        run: () => say(`${route.title} needs ${lack}.`),
      });
      continue;
    }
    found.push({
      value: route.path,
      label: route.title,
      note: route.letter ? `g ${route.letter}` : undefined,
      group: "Go to",
      run: () => go(route.path),
    });
  }
  const filters: [string, string][] = [
    ["Failed tasks of the last hour", "status=FAILED&created_after=-1h"],
    ["Running tasks", "status=RUNNING"],
    ["Waiting tasks", "status=PENDING"],
    ["Slow tasks, over a minute", "min_duration=60"],
  ];
  for (const [label, query] of filters)
    found.push({
      value: query,
      label,
      group: "Filter",
      run: () => go("/tasks", { query: new URLSearchParams(query) }),
    });
  const dark = theme.peek() === "dark";
  found.push({
    value: "theme",
    label: dark ? "Light theme" : "Dark theme",
    group: "Do",
    run: () => (theme.value = dark ? "light" : "dark"),
  });
  found.push({
    value: "zone",
    label: zone.peek() === "utc" ? "Times of this browser" : "Times in UTC",
    group: "Do",
    run: () => (zone.value = zone.peek() === "utc" ? "local" : "utc"),
  });
  found.push({ value: "pause", label: "Pause or go on", note: "p", group: "Do", run: togglePause });
  found.push(...denied);
  // Last, so that the name of a page is enough for Enter.
  if (words)
    found.push({
      value: "search",
      label: `Tasks with “${words}”`,
      group: "Search",
      run: () => go("/tasks", { query: { search: words } }),
    });
  return found;
}

export function Palette() {
  const [text, setText] = useState("");
  const words = text.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const options = everything(text).filter(
    (option) =>
      option.group === "By id" ||
      option.group === "Search" ||
      words.every((word) => `${option.label} ${option.group}`.toLowerCase().includes(word)),
  );
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
          label="Page, action, id or words"
          placeholder="Page, action, id or words"
          value={text}
          onInput={setText}
          options={options}
          onChoose={choose}
          onSubmit={() => choose(options[0])}
          autoFocus
          always
        />
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
