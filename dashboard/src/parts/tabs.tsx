// Tabs that stand in the address.
import type { ComponentChildren } from "preact";
import { href, params, place } from "../router.ts";

export function Tabs({
  name = "tab",
  label,
  tabs,
}: {
  name?: string;
  label: string;
  tabs: readonly { id: string; title: string; note?: ComponentChildren }[];
}) {
  const chosen = params.value.get(name) ?? tabs[0]?.id;
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map((tab) => {
        const next = new URLSearchParams(params.value);
        if (tab.id === tabs[0]?.id) next.delete(name);
        else next.set(name, tab.id);
        return (
          <a
            key={tab.id}
            href={href(place.value.path, next)}
            aria-current={tab.id === chosen ? "page" : undefined}
          >
            {tab.title}
            {tab.note !== undefined && <span class="muted num">{tab.note}</span>}
          </a>
        );
      })}
    </nav>
  );
}

/** The tab that is chosen. */
export const chosenTab = (usual: string, name = "tab"): string => params.value.get(name) ?? usual;
