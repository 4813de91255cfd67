// What stands around every page: the rail, the strip with the pulse, the banner, the settings.

import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { lackOf } from "./allowed.ts";
import { awaySince } from "./api/client.ts";
import { useHealth } from "./api/health.ts";
import { heardAt, isOutdated, isPaused, pulse, togglePause } from "./api/live.ts";
import { mode, refreshScreen, slow } from "./api/query.ts";
import { askForSignIn, isOut, isSignInAsked, isToldOfAll, may, maySee } from "./api/session.ts";
import { waitingShown } from "./api/waiting.ts";
import { useKeys } from "./keys.ts";
import { count, percent, perMinute, time } from "./logic/format.ts";
import { wordOfHeld } from "./logic/holds.ts";
import { isHeardBy } from "./logic/outage.ts";
import { endsOf } from "./logic/pace.ts";
import { type Standing, standingOf } from "./logic/system.ts";
import { isHelpOpen, isPaletteOpen } from "./palette.tsx";
import { CopyByHand } from "./parts/copy.tsx";
import { Icon } from "./parts/icons.tsx";
import { Menu } from "./parts/menu.tsx";
import { clock, stillClock } from "./parts/time.tsx";
import { Toasts } from "./parts/toasts.tsx";
import { Rail } from "./rail.tsx";
import { go, href } from "./router.ts";
import { ROUTES, type Route } from "./routes.ts";
import { density, letters, theme, zone } from "./settings.ts";
import { WORDS } from "./words.ts";

export function Frame({ route, children }: { route: Route | undefined; children: ComponentChildren }) {
  useKeys({
    "mod+k": { does: "find anything", run: () => (isPaletteOpen.value = true) },
    "?": { does: "these shortcuts", run: () => (isHelpOpen.value = true) },
    p: { does: "pause this page, or resume it", run: togglePause },
    ".": { does: "refresh", run: refreshScreen },
    ...(may("submit") && { n: { does: "submit a task", run: () => go("/submit") } }),
    ...Object.fromEntries(
      ROUTES.filter((one) => one.letter && lackOf(one) === null).map((one) => [
        `g ${one.letter}`,
        { does: one.title, run: () => go(one.path) },
      ]),
    ),
  });
  const health = useHealth();
  const isAway = awaySince.value !== null;
  const standing = isAway ? null : standingOf(health, pulse.value?.mirror_lag ?? null, Date.now());
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>
        Skip to the page
      </button>
      <Rail route={route} />
      <div class="stage" data-stale={isAway || isOut.value || standing?.isOld ? "" : undefined}>
        <Strip isHeard={isHeardBy(health)} isBrokerAway={health?.checks.broker === "unhealthy"} />
        <Banner standing={standing} />
        <main id="main" tabIndex={-1}>
          {children}
        </main>
        <Toasts />
      </div>
      {slow.value > 0 && <div class="progress" />}
      <CopyByHand />
    </>
  );
}

interface Known {
  isHeard: boolean;
  isBrokerAway: boolean;
}

function Strip(known: Known) {
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
      <div class="vitals-strip">{isToldOfAll.value && <Vitals {...known} />}</div>
      <LiveChip />
      <Settings />
    </header>
  );
}

/** So many of those that are due are looked at for marks that hold them back. */
const COUNTED = 10_000;

/** How the whole is, in four figures, and how much is held back while anything is: not every key is told them. */
function Vitals({ isHeard, isBrokerAway }: Known) {
  const now = pulse.value;
  const rates = endsOf(now, isHeard);
  return (
    <>
      <Vital
        to={href("/queues")}
        icon="inbox"
        value={count(waitingShown.value ?? now?.waiting)}
        word="waiting"
        rank={now?.held ? 1 : 0}
      />
      {now?.held ? (
        <Vital
          to={href("/tasks", { phase: "dispatching" })}
          icon="pause"
          value={count(now.held, (now.due ?? 0) <= COUNTED)}
          {...wordOfHeld(now.held_by, isBrokerAway)}
          rank={0}
        />
      ) : null}
      <Vital
        to={href("/tasks", { status: "RUNNING" })}
        icon="play"
        value={count(now?.running)}
        word="running"
        rank={1}
      />
      <Vital
        to={href("/analytics")}
        icon="check"
        value={perMinute(rates.done)}
        word="completed"
        title={WORDS.lastMinute}
        rank={2}
      />
      <Vital
        to={href("/failures")}
        icon="close"
        value={percent(rates.failedPercent)}
        word="failed"
        title={WORDS.lastMinute}
        rank={2}
      />
    </>
  );
}

function Vital(props: {
  to: string;
  icon: "inbox" | "pause" | "play" | "check" | "close";
  value: string;
  word: string;
  title?: string;
  rank: number;
}) {
  return (
    <a class="vital" href={props.to} data-rank={props.rank} title={props.title || undefined}>
      <Icon name={props.icon} />
      <b>{props.value}</b> {props.word}
    </a>
  );
}

function LiveChip() {
  const isAway = awaySince.value !== null;
  const state = isAway ? "away" : isOut.value ? "out" : isPaused.value ? "paused" : mode.value;
  const old =
    state === "paused" && heardAt.value
      ? `, ${Math.round((clock.value.now - heardAt.value) / 1000)} s old`
      : "";
  return (
    <button
      type="button"
      class="live"
      data-mode={state}
      onClick={state === "out" ? askForSignIn : togglePause}
      title={state === "out" ? WORDS.signIn : `${isPaused.value ? WORDS.resumePage : WORDS.pausePage}: p`}
      aria-pressed={isPaused.value}
    >
      {WORDS[state]}
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
          label: `Shortcuts of one letter: ${letters.value}`,
          run: () => (letters.value = letters.value === "on" ? "off" : "on"),
        },
        { label: "Keyboard shortcuts", key: "?", run: () => (isHelpOpen.value = true) },
        { label: "API documentation", href: new URL("../docs", document.baseURI).href },
      ]}
    >
      <Icon name="settings" />
    </Menu>
  );
}

/** What is amiss with everything that is seen, since when, and what still works. */
function Banner({ standing }: { standing: Standing | null }) {
  // The moment stays as it was first known: told anew each second, it would flicker.
  const since = useRef<number | null>(null);
  if (standing?.isOld) since.current ??= standing.since;
  else since.current = null;
  if (awaySince.value !== null)
    return (
      <Note
        tone="failed"
        text={`No answer since ${timeOf(awaySince.value)}. What you see is from then; it is tried again by itself.`}
      />
    );
  if (isOut.value)
    return (
      <Note tone="failed" text={WORDS.isOut}>
        {!isSignInAsked.value && (
          <button type="button" class="link" onClick={askForSignIn}>
            {WORDS.signIn}
          </button>
        )}
      </Note>
    );
  if (isOutdated.value)
    return (
      <Note tone="quiet" text={WORDS.outdated}>
        <button type="button" class="link" onClick={() => location.reload()}>
          {WORDS.reload}
        </button>
      </Note>
    );
  if (standing === null) return null;
  const text = since.current === null ? "" : ` ${WORDS.shownAsOf(timeOf(since.current))}`;
  return <Note tone={standing.tone} text={standing.text + text} to="/system" />;
}

const timeOf = (at: number): string => time(new Date(at).toISOString(), stillClock());

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
        {text} {to && maySee(to) && <a href={href(to)}>What is wrong</a>}
      </p>
      {children}
    </div>
  );
}
