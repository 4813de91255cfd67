// What every page begins with: its name, one sentence that says how it is, and what can be done.
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { printable } from "../logic/printable.ts";

export interface PageProps {
  /** What the `:names` of the address stand for. */
  params: Record<string, string>;
}

/** The head of a page. `state` goes into the title of the tab: `✕ 3`. */
export function PageHead({
  title,
  lead,
  children,
  state,
  name,
}: {
  title: ComponentChildren;
  /** The sentence that comes first. */
  lead?: ComponentChildren;
  /** Actions. */
  children?: ComponentChildren;
  state?: string;
  /** The page in the title of the tab, where `title` is not text. */
  name?: string;
}) {
  useTitle(name ?? (typeof title === "string" ? title : ""), state);
  return (
    <header class="page-head">
      <div>
        <h1>{title}</h1>
        {lead && <p class="lead">{lead}</p>}
      </div>
      {children && <div class="actions">{children}</div>}
    </header>
  );
}

/** Name the tab after the page, with its state before it. */
export function useTitle(text: string, state?: string): void {
  useEffect(() => {
    document.title = [state, printable(text), "Celeriac"].filter(Boolean).join(" · ");
  }, [state, text]);
}

/** A part of a page under a heading. */
export function Section({
  title,
  note,
  children,
  actions,
  flush,
}: {
  title: ComponentChildren;
  note?: ComponentChildren;
  children: ComponentChildren;
  actions?: ComponentChildren;
  /** Without space around what is inside, for grids. */
  flush?: boolean;
}) {
  return (
    <section class={flush ? "section flush" : "section"}>
      <header>
        <h2>{title}</h2>
        {note && <span class="muted">{note}</span>}
        {actions && <div class="actions">{actions}</div>}
      </header>
      {children}
    </section>
  );
}

/** Names and values, one a line. */
export function Facts({ of }: { of: readonly (readonly [string, ComponentChildren] | null | false)[] }) {
  return (
    <dl class="facts">
      {of.map(
        (fact) =>
          fact && (
            <div key={fact[0]}>
              <dt>{fact[0]}</dt>
              <dd>{fact[1]}</dd>
            </div>
          ),
      )}
    </dl>
  );
}
