// The page that the address names, within the frame.

import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { isOpenTo, lackOf } from "./allowed.ts";
import { reasonAsked } from "./api/reason.ts";
import { isMeAsked, isSignInAsked, me } from "./api/session.ts";
import { Frame } from "./frame.tsx";
import { isHelpOpen, isPaletteOpen, KeyHelp, Palette } from "./palette.tsx";
import { leave } from "./parts/actions.tsx";
import { PageHead, type PageProps } from "./parts/page.tsx";
import { Empty, ErrorBox, Loading } from "./parts/states.tsx";
import { AskReason } from "./reason.tsx";
import { href, match, place } from "./router.ts";
import { ROUTES, type Route } from "./routes.ts";
import { SignIn } from "./sign-in.tsx";
import { WORDS } from "./words.ts";

type Drawn = ComponentType<PageProps>;

const FILES = import.meta.glob<{ default: Drawn }>("./pages/*/page.tsx");
const fetched = new Map<string, Drawn>();

/** Fetch the page that the address names, so that it is drawn at once and not after an empty one; never rejects. */
export async function fetchFirst(): Promise<void> {
  const found = routeOf(place.peek().path);
  // What cannot be fetched is tried again, and its absence told, by who draws it.
  if (found) await fetchPage(found.route).catch(() => undefined);
}

async function fetchPage({ page }: Route): Promise<Drawn> {
  const file = await FILES[`./pages/${page}/page.tsx`]!();
  fetched.set(page, file.default);
  return file.default;
}

function routeOf(path: string): { route: Route; params: Record<string, string> } | undefined {
  for (const route of ROUTES) {
    const params = match(route.path, path);
    if (params) return { route, params };
  }
  return undefined;
}

export function App() {
  if (isSignInAsked.value && me.value === null) return <SignIn />;
  const found = routeOf(place.value.path);
  return (
    <Frame route={found?.route}>
      {!found ? (
        <NotFound />
      ) : lackOf(found.route) !== null ? (
        <NotAllowed route={found.route} />
      ) : (
        <Lazy key={found.route.path} {...found} />
      )}
      {isPaletteOpen.value && <Palette />}
      {isHelpOpen.value && <KeyHelp />}
      {reasonAsked.value && <AskReason />}
      {isSignInAsked.value && <SignIn />}
    </Frame>
  );
}

function Lazy({ route, params }: { route: Route; params: Record<string, string> }) {
  const [Page, setPage] = useState<Drawn | undefined>(() => fetched.get(route.page));
  const [error, setError] = useState<Error | null>(null);
  useEffect(() => {
    if (Page) return;
    fetchPage(route).then(
      (page) => setPage(() => page),
      () => setError(new Error(WORDS.gone)),
    );
  }, [route]);
  if (error) return <ErrorBox error={error} onRetry={() => location.reload()} />;
  // What a key may not see is not asked for: until it is known whose it is, nothing is.
  if (!Page || !isMeAsked.value)
    return (
      <>
        <PageHead title={route.title} />
        <Loading />
      </>
    );
  // Another id is another page: what was typed and opened belongs to the one before.
  return <Page key={JSON.stringify(params)} params={params} />;
}

function NotAllowed({ route }: { route: Route }) {
  const open = ROUTES.filter(isOpenTo);
  if (open.length === 0)
    return (
      <>
        <PageHead title={route.title} />
        <Empty title={WORDS.noPage} icon="warning">
          <p>{WORDS.noPageText(me.value?.scopes ?? [])}</p>
          <button type="button" class="button" onClick={leave}>
            {WORDS.otherKey}
          </button>
        </Empty>
      </>
    );
  return (
    <>
      <PageHead title={route.title} />
      <Empty title={`This page needs ${lackOf(route)}.`} icon="warning">
        <p>
          Yours may open{" "}
          {open.map((one, index) => (
            <span key={one.path}>
              {index > 0 && ", "}
              <a href={href(one.path)}>{one.title}</a>
            </span>
          ))}
        </p>
      </Empty>
    </>
  );
}

function NotFound() {
  return (
    <>
      <PageHead title={WORDS.notFoundTitle} />
      <Empty title={place.value.path}>
        <a href={href("/")}>Overview</a>
      </Empty>
    </>
  );
}
