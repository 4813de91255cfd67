// The parts of the page of a name.
import { useData } from "../../api/query.ts";
import type { Trends } from "../../api/types.ts";
import type { ByWorker } from "../../logic/failing-workers.ts";
import { count, hour, plural } from "../../logic/format.ts";
import { Sparkline } from "../../parts/figure.tsx";
import { Lead } from "../../parts/lead.tsx";
import { none, Shown } from "../../parts/states.tsx";
import { Status } from "../../parts/status.tsx";
import { stillClock } from "../../parts/time.tsx";
import { Where } from "../../parts/where.tsx";
import { href } from "../../router.ts";
import type { NameDetail } from "../names/types.ts";
import { WORDS } from "./words.ts";

const HOUR = 3_600_000;
const SHOWN = 12;

const saidOf = (worker: NameDetail["workers"][number]): string =>
  [
    worker.acks_late === null ? "" : worker.acks_late ? "acknowledged when done" : "acknowledged when taken",
    worker.max_retries === null ? "" : plural(worker.max_retries, "retry", "retries"),
  ]
    .filter(Boolean)
    .join(", ");

/** The workers that are online, those first that do not know it; what each says of its settings. */
export function KnownTo({ it }: { it: NameDetail }) {
  if (it.workers.length === 0) return <p class="muted list-more">{WORDS.nobodyOnline}</p>;
  return (
    <ul class="list">
      {it.workers.slice(0, SHOWN).map((worker) => (
        <li key={worker.worker_id}>
          <Status
            look={
              worker.knows
                ? { word: WORDS.knows, tone: "completed", shape: "ok" }
                : { word: WORDS.knowsNot, tone: "waiting", shape: "warning" }
            }
            plain
          />
          <Lead class="quiet clip" to={`/workers/${encodeURIComponent(worker.worker_id)}`}>
            {worker.hostname}
          </Lead>
          <span class="end muted clip">{saidOf(worker)}</span>
        </li>
      ))}
      {it.workers.length > SHOWN && <li class="muted">and {count(it.workers.length - SHOWN)} more</li>}
    </ul>
  );
}

interface Group {
  error: string;
  task_name: string | null;
  count: number;
  series: { bucket: string; count: number }[];
  first_failed_at: string | null;
  by_worker: ByWorker;
}

interface Groups {
  since: string;
  until: string;
  groups: Group[];
}

/** The classes of exceptions with which its tasks failed. */
export function Failures({ name, failed }: { name: string; failed: number }) {
  const found = useData<Groups>("/analytics/failures", {
    query: { hours: 24 },
    topics: ["tasks"],
    every: 30_000,
  });
  return (
    <Shown data={found}>
      {(shown) => {
        const groups = shown.groups.filter((one) => one.task_name === name).slice(0, SHOWN);
        if (groups.length === 0)
          return <p class="muted list-more">{failed === 0 ? WORDS.noFailures : WORDS.smallFailures}</p>;
        return (
          <ul class="list">
            {groups.map((group) => (
              <li key={group.error} class="name-failing">
                <a
                  class="quiet mono clip"
                  href={href("/tasks", {
                    task_name: name,
                    status: "FAILED",
                    error: group.error,
                    completed_after: "-24h",
                  })}
                >
                  {group.error}
                </a>
                <span class="end name-group num">
                  <Sparkline values={byHour(group, shown)} tone="failed" width={60} />
                  {count(group.count)}
                </span>
                <span class="muted">
                  {group.first_failed_at && (
                    <span class="num">
                      new since {hour(Date.parse(group.first_failed_at), stillClock())}{" "}
                    </span>
                  )}
                  <Where by={group.by_worker} failures={group.count} />
                </span>
              </li>
            ))}
          </ul>
        );
      }}
    </Shown>
  );
}

function byHour(group: Group, of: Groups): number[] {
  const first = Math.floor(Date.parse(of.since) / HOUR);
  const counts = new Array<number>(
    Math.max(1, Math.min(49, Math.ceil(Date.parse(of.until) / HOUR) - first)),
  ).fill(0);
  for (const one of group.series) {
    const at = Math.floor(Date.parse(one.bucket) / HOUR) - first;
    if (at >= 0 && at < counts.length) counts[at] = one.count;
  }
  return counts;
}

/** The queues through which its tasks went. */
export function Queues({ trends }: { trends: Trends }) {
  const queues = trends.by_queue
    .filter((one) => one.submitted + one.completed + one.failed > 0)
    .slice(0, SHOWN);
  if (queues.length === 0) return <p class="muted list-more">{none(WORDS.noQueues)}</p>;
  return (
    <ul class="list">
      {queues.map((one) => (
        <li key={one.queue_name ?? ""}>
          {one.queue_name === null ? (
            <span class="muted">not told</span>
          ) : (
            <a class="quiet clip" href={href(`/queues/${encodeURIComponent(one.queue_name)}`)}>
              {one.queue_name}
            </a>
          )}
          <span class="end num">{plural(one.submitted, "task")}</span>
        </li>
      ))}
    </ul>
  );
}
