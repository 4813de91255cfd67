// What stands around every page: the rail, the strip with the pulse, the banner, the settings.
import type { ComponentChildren } from "preact";
import { awaySince } from "./api/client.ts";
import { heardAt, isOutdated, isPaused, pulse, togglePause } from "./api/live.ts";
import { mode, refreshScreen, slow } from "./api/query.ts";
import { isReadOnly, may, me, signOut } from "./api/session.ts";
import { waitingShown } from "./api/waiting.ts";
import { useKeys } from "./keys.ts";
import { count, percent, perMinute, time } from "./logic/format.ts";
import { isHelpOpen, isPaletteOpen } from "./palette.tsx";
import { CopyByHand } from "./parts/copy.tsx";
import { Icon } from "./parts/icons.tsx";
import { Mark } from "./parts/mark.tsx";
import { Menu } from "./parts/menu.tsx";
import { clock, stillClock, zoneWord } from "./parts/time.tsx";
import { Toasts } from "./parts/toasts.tsx";
import { go, href } from "./router.ts";
import { ROUTES, type Route } from "./routes.ts";
import { density, letters, rail, theme, zone } from "./settings.ts";
import { WORDS } from "./words.ts";

export function Frame({ route, children }: { route: Route | undefined; children: ComponentChildren }) {
  useKeys({
    "mod+k": { does: "find anything", run: () => (isPaletteOpen.value = true) },
    "?": { does: "these keys", run: () => (isHelpOpen.value = true) },
    p: { does: "pause or go on", run: togglePause },
    ".": { does: "refresh", run: refreshScreen },
    ...(may("submit") && { n: { does: "submit a task", run: () => go("/submit") } }),
    ...Object.fromEntries(
      ROUTES.filter((one) => one.letter && !(one.needs && !may(one.needs))).map((one) => [
        `g ${one.letter}`,
        { does: one.title, run: () => go(one.path) },
      ]),
    ),
  });
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>
        Skip to the page
      </button>
      <Rail route={route} />
      <div class="stage">
        <Strip />
        <Banner />
        <main id="main" tabIndex={-1}>
          {children}
        </main>
      </div>
      {slow.value > 0 && <div class="progress" />}
      <Toasts />
      <CopyByHand />
    </>
  );
}

function Rail({ route }: { route: Route | undefined }) {
  const here = route?.within ?? route?.path;
  return (
    <nav class="rail" aria-label="Pages">
      <a class="brand" href={href("/")}>
        <Mark />
        <span class="word">celeriac</span>
      </a>
      {([1, 2] as const).map((group) => (
        <ul key={group}>
          {ROUTES.filter((one) => one.rail === group).map((one) => (
            <li key={one.path}>
              <a
                class="rail-item"
                href={href(one.path)}
                aria-current={one.path === here ? "page" : undefined}
                title={`${one.title} (g ${one.letter})`}
              >
                <Icon name={one.icon!} />
                <span class="word">{one.title}</span>
                {one.path === "/alerts" && <AlertBadge />}
              </a>
            </li>
          ))}
        </ul>
      ))}
      <div class="rail-foot">
        <button
          type="button"
          class="rail-item"
          onClick={() => (rail.value = rail.value === "folded" ? "open" : "folded")}
          title="Fold the rail"
        >
          <Icon name="right" />
          <span class="word">Fold</span>
        </button>
        <button
          type="button"
          class="rail-item"
          onClick={() => (zone.value = zone.value === "utc" ? "local" : "utc")}
          title="Switch between UTC and the time of this browser"
        >
          <Icon name="clock" />
          <span class="word">{zoneWord.value}</span>
        </button>
        {me.value && (
          <div class="rail-item" title={`${me.value.kind} ${me.value.name}`}>
            <Icon name="terminal" />
            <span class="word clip">
              {me.value.name || me.value.kind}
              {isReadOnly.value && ` · ${WORDS.readOnly}`}
            </span>
          </div>
        )}
      </div>
    </nav>
  );
}

function AlertBadge() {
  const alerts = pulse.value?.alerts;
  const total = (alerts?.CRITICAL ?? 0) + (alerts?.WARNING ?? 0);
  if (total === 0) return null;
  return (
    <span class="badge" data-tone={alerts?.CRITICAL ? "failed" : "waiting"}>
      {total}
    </span>
  );
}

function Strip() {
  const now = pulse.value;
  const done = now?.done_per_s ?? null;
  const failed = now?.failed_per_s ?? null;
  const ended = (done ?? 0) + (failed ?? 0);
  return (
    <header class="strip">
      <button
        type="button"
        class="finder"
        onClick={() => (isPaletteOpen.value = true)}
        aria-label={WORDS.find}
      >
        <Icon name="search" />
        <span class="word">{WORDS.find}</span>
        <kbd>{navigator.platform.startsWith("Mac") ? "⌘K" : "Ctrl K"}</kbd>
      </button>
      <div class="vitals-strip">
        <Vital
          to={href("/queues")}
          icon="inbox"
          value={count(waitingShown.value ?? now?.waiting)}
          word="waiting"
          rank={0}
        />
        <Vital
          to={href("/tasks", { status: "RUNNING" })}
          icon="play"
          value={count(now?.running)}
          word="running"
          rank={1}
        />
        <Vital to={href("/analytics")} icon="check" value={perMinute(done)} word="done" rank={2} />
        <Vital
          to={href("/failures")}
          icon="close"
          value={ended > 0 ? percent((100 * (failed ?? 0)) / ended) : "–"}
          word="failed"
          rank={2}
        />
      </div>
      <LiveChip />
      <Settings />
    </header>
  );
}

function Vital(props: {
  to: string;
  icon: "inbox" | "play" | "check" | "close";
  value: string;
  word: string;
  rank: number;
}) {
  return (
    <a class="vital" href={props.to} data-rank={props.rank}>
      <Icon name={props.icon} />
      <b>{props.value}</b> {props.word}
    </a>
  );
}

function LiveChip() {
  const state = awaySince.value !== null ? "away" : isPaused.value ? "paused" : mode.value;
  const word = { away: WORDS.away, paused: WORDS.paused, live: WORDS.live, polling: WORDS.polling }[state];
  const old =
    state === "paused" && heardAt.value
      ? `, ${Math.round((clock.value.now - heardAt.value) / 1000)} s old`
      : "";
  return (
    <button
      type="button"
      class="live"
      data-mode={state}
      onClick={togglePause}
      title={isPaused.value ? "Go on (p)" : "Pause (p)"}
      aria-pressed={isPaused.value}
    >
      {word}
      {old}
    </button>
  );
}

function Settings() {
  const next = { system: "light", light: "dark", dark: "system" } as const;
  return (
    <Menu
      label="Settings"
      items={[
        { label: `Theme: ${theme.value}`, run: () => (theme.value = next[theme.value]) },
        {
          label: `Rows: ${density.value}`,
          run: () => (density.value = density.value === "compact" ? "comfortable" : "compact"),
        },
        {
          label: `Times: ${zone.value === "utc" ? "UTC" : "this browser"}`,
          run: () => (zone.value = zone.value === "utc" ? "local" : "utc"),
        },
        {
          label: `Keys of one letter: ${letters.value}`,
          run: () => (letters.value = letters.value === "on" ? "off" : "on"),
        },
        { label: "Keys", key: "?", run: () => (isHelpOpen.value = true) },
        { label: "API documentation", href: new URL("../docs", document.baseURI).href },
        me.value?.kind !== "local" && me.value !== null && { label: WORDS.signOut, run: signOut },
      ]}
    >
      <Icon name="settings" />
    </Menu>
  );
}

/** What is amiss with everything that is seen, since when, and what still works. */
function Banner() {
  if (awaySince.value !== null) {
    const since = time(new Date(awaySince.value).toISOString(), stillClock());
    return (
      <Note
        tone="failed"
        text={`No answer since ${since}. What you see is from then; it is tried again by itself.`}
      />
    );
  }
  if (isOutdated.value)
    return (
      <Note tone="quiet" text={WORDS.outdated}>
        <button type="button" class="link" onClick={() => location.reload()}>
          {WORDS.reload}
        </button>
      </Note>
    );
  if (pulse.value?.health === "unhealthy")
    return (
      <Note
        tone="failed"
        text="The database does not answer. Lists are old, and new tasks are refused."
        to="/system"
      />
    );
  if (pulse.value?.health === "degraded")
    return (
      <Note
        tone="waiting"
        text="A part of the system does not do its work. Submissions are accepted and kept."
        to="/system"
      />
    );
  return null;
}

function Note({
  tone,
  text,
  to,
  children,
}: {
  tone: string;
  text: string;
  to?: string;
  children?: ComponentChildren;
}) {
  return (
    <div class="banner" data-tone={tone} role="status">
      <Icon name="warning" />
      <p>
        {text} {to && <a href={href(to)}>What is wrong</a>}
      </p>
      {children}
    </div>
  );
}
