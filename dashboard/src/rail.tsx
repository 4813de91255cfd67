// Where one can go: beside every page, and on a phone below it, with the rest of the pages behind the last of its buttons.
import { isListed } from "./allowed.ts";
import { pulse } from "./api/live.ts";
import { useData } from "./api/query.ts";
import { isMeAsked, isReadOnly, type Me, me } from "./api/session.ts";
import type { FailureGroup } from "./logic/verdict.ts";
import { leave } from "./parts/actions.tsx";
import { Icon } from "./parts/icons.tsx";
import { Mark } from "./parts/mark.tsx";
import { Menu } from "./parts/menu.tsx";
import { zoneWord } from "./parts/time.tsx";
import { href } from "./router.ts";
import { ROUTES, type Route } from "./routes.ts";
import { rail, zone } from "./settings.ts";
import { WORDS } from "./words.ts";

/** What fits side by side on 320 px beside "More": where one looks first when something is wrong. */
const PHONE: readonly string[] = ["/", "/tasks", "/failures", "/alerts"];
const MOST_COUNTED = 999;

export function Rail({ route }: { route: Route | undefined }) {
  const shown = ROUTES.filter(isListed);
  const here = route && (shown.includes(route) ? route.path : (route.within ?? route.path));
  const groups = [1, 2]
    .map((group) => shown.filter((one) => (one.rail ?? 2) === group))
    .filter((one) => one.length);
  const more = shown.filter((one) => !PHONE.includes(one.path));
  const isHere = more.some((one) => one.path === here);
  return (
    <nav class="rail" aria-label="Pages">
      <a class="brand" href={href("/")}>
        <Mark />
        <span class="word">celeriac</span>
      </a>
      {groups.map((group) => (
        <ul key={group[0]?.rail ?? 2}>
          {group.map((one) => (
            <li key={one.path} data-phone={PHONE.includes(one.path) ? "" : undefined}>
              <a
                class="rail-item"
                href={href(one.path)}
                aria-current={one.path === here ? "page" : undefined}
                title={one.letter ? `${one.title} (g ${one.letter})` : one.title}
              >
                <Icon name={one.icon ?? "right"} />
                <span class="word">{one.title}</span>
                {one.path === "/failures" && <FailureBadge />}
                {one.path === "/alerts" && <AlertBadge />}
              </a>
            </li>
          ))}
        </ul>
      ))}
      {more.length > 0 && (
        <div class="rail-more" data-here={isHere ? "" : undefined}>
          <Menu
            label={WORDS.morePages}
            head={me.value && <Who me={me.value} />}
            items={[...more.map((one) => ({ label: one.title, href: href(one.path) })), signOutOf(me.value)]}
          >
            <Icon name="more" />
            <span class="word">{WORDS.more}</span>
          </Menu>
        </div>
      )}
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
          title="In which zone times are shown: switches between UTC and the time of this browser"
        >
          <Icon name="clock" />
          <span class="word">{zoneWord.value}</span>
        </button>
        <Account />
      </div>
    </nav>
  );
}

/** Who one is, what one may do, and the way out. */
function Account() {
  const it = me.value;
  if (it === null) return null;
  return (
    <Menu
      label={`${WORDS.account}: ${nameOf(it)}`}
      look="rail-item"
      head={<Who me={it} />}
      items={[signOutOf(it)]}
    >
      <Icon name="terminal" />
      <span class="word clip">
        {isReadOnly.value && `${WORDS.readOnly} · `}
        {nameOf(it)}
      </span>
    </Menu>
  );
}

const nameOf = (it: Me): string => (it.kind === "local" ? WORDS.noKey : it.name || it.kind);

const signOutOf = (it: Me | null) =>
  it !== null && it.kind !== "local" && { label: WORDS.signOut, run: leave };

function Who({ me: it }: { me: Me }) {
  if (it.kind === "local") return <p>{WORDS.noKeyText}</p>;
  return (
    <>
      <p>
        <b>{nameOf(it)}</b> <span class="muted">{it.kind.replaceAll("_", " ")}</span>
      </p>
      <p>{WORDS.mayDo(it.scopes)}</p>
      <p>{WORDS.limitedTo(it.queues, it.task_names)}</p>
    </>
  );
}

/** How many tasks have failed in the last hour. */
function FailureBadge() {
  const found = useData<{ groups: FailureGroup[] }>(isMeAsked.value ? "/analytics/failures" : null, {
    query: { hours: 1 },
    every: 30_000,
  });
  const failed = (found.value?.groups ?? []).reduce((sum, group) => sum + group.count, 0);
  return <Badge of={failed} word={WORDS.failedOfLate} tone="failed" />;
}

function AlertBadge() {
  const alerts = pulse.value?.alerts;
  const open = (alerts?.CRITICAL ?? 0) + (alerts?.WARNING ?? 0);
  return <Badge of={open} word={WORDS.openAlerts} tone={alerts?.CRITICAL ? "failed" : "waiting"} />;
}

function Badge({ of: number, word, tone }: { of: number; word: string; tone: string }) {
  if (number === 0) return null;
  return (
    <span class="badge" data-tone={tone}>
      {number > MOST_COUNTED ? `${MOST_COUNTED}+` : number}
      <span class="sr"> {word}</span>
    </span>
  );
}
