// What the tasks that match are: counts by status, name, queue and worker, each of which is a filter.
import { useData } from "../../api/query.ts";
import { queryOf, withoutToken, withToken } from "../../logic/filters.ts";
import { count } from "../../logic/format.ts";
import { lookOf } from "../../logic/status.ts";
import { Status } from "../../parts/status.tsx";
import { href, params } from "../../router.ts";

interface Facets {
  total: number;
  is_exact: boolean;
  facets: Record<string, { value: string | null; count: number }[]>;
}

const SHOWN = 7;
const GROUPS = [
  { field: "status", param: "status", word: "status", title: "Status" },
  { field: "task_name", param: "task_name", word: "name", title: "Name" },
  { field: "queue_name", param: "queue_name", word: "queue", title: "Queue" },
  { field: "worker", param: "worker_id", word: "worker", title: "Worker" },
] as const;

export function FacetPanel() {
  const query = queryOf(params.value);
  const found = useData<Facets>("/search/facets", { query, every: 15_000 });
  const it = found.value;
  if (!it) return null;
  return (
    <aside class="tasks-facets" aria-label="What matches">
      {GROUPS.map((group) => {
        const values = (it.facets[group.field] ?? []).filter((one) => one.value !== null).slice(0, SHOWN);
        const top = Math.max(1, ...values.map((one) => one.count));
        if (values.length === 0) return null;
        return (
          <section key={group.field}>
            <h3>{group.title}</h3>
            <ul>
              {values.map((one) => {
                const token = { param: group.param, word: group.word, value: one.value! };
                const isOn = params.value.getAll(group.param).includes(one.value!);
                const next = isOn ? withoutToken(params.value, token) : withToken(params.value, token);
                next.delete("peek");
                const tone = group.field === "status" ? lookOf(one.value!).tone : undefined;
                return (
                  <li key={one.value}>
                    <a
                      class="facet"
                      href={href("/tasks", next)}
                      aria-current={isOn ? "true" : undefined}
                      title={one.value!}
                    >
                      <span class="clip">
                        {group.field === "status" ? <Status of={one.value!} plain /> : one.value}
                      </span>
                      <span class="num">{count(one.count, it.is_exact)}</span>
                      <i data-tone={tone} style={{ width: `${Math.max(2, (100 * one.count) / top)}%` }} />
                    </a>
                  </li>
                );
              })}
            </ul>
          </section>
        );
      })}
      {!it.is_exact && <p class="muted">Of the newest {count(it.total)}.</p>}
    </aside>
  );
}
