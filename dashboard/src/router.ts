// The address is the state. Paths here begin after `/ui`, e.g. `/tasks/ID`; ids in them are percent-encoded segments.
import { computed, signal } from "@preact/signals";
import { BASE, type Query, queryText } from "./api/client.ts";

const ROOT = BASE.pathname.replace(/\/$/, "");

interface Place {
  path: string;
  search: string;
}

const here = (): Place => ({
  path: location.pathname.startsWith(ROOT) ? location.pathname.slice(ROOT.length) || "/" : "/",
  search: location.search,
});

export const place = signal<Place>(here());
/** What stands behind `?`. */
export const params = computed(() => new URLSearchParams(place.value.search));

let ask: (() => void) | null = null;

addEventListener("popstate", () => {
  if (!ask) {
    place.value = here();
    return;
  }
  history.pushState(null, "", ROOT + place.peek().path + place.peek().search);
  ask();
});

const stay = (event: BeforeUnloadEvent) => event.preventDefault();

/** Stay on this page when the browser goes back, forth or away: it asks first. Returns what lets it go again. */
export function holdPage(asks: () => void): () => void {
  ask = asks;
  addEventListener("beforeunload", stay);
  return () => {
    ask = null;
    removeEventListener("beforeunload", stay);
  };
}

/** Return the address of a path of the dashboard, for `href`. */
export function href(path: string, query?: Query | URLSearchParams): string {
  const text = queryText(query);
  return ROOT + path + (text ? `${path.includes("?") ? "&" : "?"}${text}` : "");
}

/** Go to a path: a new step of the history, or in the place of the present one. */
export function go(path: string, options: { query?: Query | URLSearchParams; replace?: boolean } = {}): void {
  const address = href(path, options.query);
  if (address === location.pathname + location.search) return;
  if (options.replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  const from = place.peek().path;
  place.value = here();
  if (place.peek().path !== from) scrollTo(0, 0);
}

/** Change some of what stands behind `?`; null removes. Typing replaces, choosing pushes. */
export function setParams(changes: Query, options: { replace?: boolean } = {}): void {
  const next = new URLSearchParams(place.peek().search);
  for (const [name, value] of Object.entries(changes)) {
    next.delete(name);
    if (value === null || value === undefined || value === "") continue;
    for (const item of Array.isArray(value) ? value : [value]) next.append(name, String(item));
  }
  go(place.peek().path, { query: next, ...options });
}

/** Return what the `:names` of a pattern stand for in a path; null if it is no such path. */
export function match(pattern: string, path: string): Record<string, string> | null {
  const wanted = pattern.replace(/\/$/, "").split("/");
  const given = path.replace(/\/$/, "").split("/");
  if (wanted.length !== given.length) return null;
  const found: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const value = given[index]!;
    if (part.startsWith(":")) found[part.slice(1)] = decoded(value);
    else if (part !== value) return null;
  }
  return found;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Follow links of the dashboard without a new page. */
export function followLinks(): void {
  document.addEventListener("click", (event) => {
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    const link = (event.target as Element | null)?.closest?.("a");
    if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (link.pathname !== ROOT && !link.pathname.startsWith(`${ROOT}/`)) return;
    event.preventDefault();
    go(link.pathname.slice(ROOT.length) + link.search);
  });
}
