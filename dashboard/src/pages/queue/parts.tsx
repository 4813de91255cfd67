// The parts of the page of a queue.
import { useSignal } from "@preact/signals";
import { useData } from "../../api/query.ts";
import { may, maySee } from "../../api/session.ts";
import type { Trends } from "../../api/types.ts";
import { count, duration, percent, plural } from "../../logic/format.ts";
import { sentenceOfForecast, standingStill, waysToConsume, whatIf } from "../../logic/queues.ts";
import { Lead } from "../../parts/lead.tsx";
import { Shown } from "../../parts/states.tsx";
import { Status } from "../../parts/status.tsx";
import { Ago } from "../../parts/time.tsx";
import { href } from "../../router.ts";
import type { QueueDetail } from "./page.tsx";
import { WORDS } from "./words.ts";

interface Facets {
  total: number;
  is_exact: boolean;
  facets: { priority?: { value: string | null; count: number }[] };
}

/** What has not started yet, the most urgent first. */
export function Priorities({ name, scheduled }: { name: string; scheduled: number }) {
  const found = useData<Facets>("/search/facets", {
    query: { queue_name: name, status: "PENDING", fields: "priority" },
    topics: ["tasks", "queues"],
    every: 10_000,
  });
  return (
    <Shown data={found}>
      {(shown) => {
        const rows = [...(shown.facets.priority ?? [])].sort(
          (a, b) => Number(b.value ?? -1) - Number(a.value ?? -1),
        );
        const most = Math.max(1, ...rows.map((one) => one.count));
        if (rows.length === 0) return <p class="muted list-more">{WORDS.none}</p>;
        return (
          <>
            {scheduled > 0 && (
              <p class="muted list-more">
                <a href={href("/tasks", { queue_name: name, phase: "scheduled" })}>
                  {count(scheduled)} of them {scheduled === 1 ? "is" : "are"} scheduled
                </a>{" "}
                for later.
              </p>
            )}
            <ul class="queue-priorities num">
              {rows.map((one) => (
                <li key={one.value ?? ""}>
                  <a
                    href={href("/tasks", {
                      queue_name: name,
                      status: "PENDING",
                      ...(one.value !== null && { priority: one.value }),
                    })}
                  >
                    <span>{one.value ?? "not told"}</span>
                    <i style={{ width: `${Math.max(1, (100 * one.count) / most)}%` }} />
                    <b>{count(one.count, shown.is_exact)}</b>
                  </a>
                </li>
              ))}
            </ul>
          </>
        );
      }}
    </Shown>
  );
}

const NOT_HEARD = { word: "not heard", tone: "quiet", shape: "lost" } as const;

/** Who takes from it, and who did when he was last there. */
export function Consumers({ queue }: { queue: QueueDetail }) {
  const { workers } = queue;
  const isServed = queue.isUnheard || workers.some((one) => one.status !== "OFFLINE");
  return (
    <>
      {!isServed && (
        <div class="queue-nobody">
          {workers.length === 0 && <p class="muted">{WORDS.noConsumer}</p>}
          {waysToConsume(queue).map((way) => (
            <div key={way.text}>
              <p>{way.text}</p>
              {way.command && <pre>{way.command}</pre>}
            </div>
          ))}
        </div>
      )}
      <ul class="list">
        {workers.map((one) => (
          <li key={one.worker_id}>
            <Status
              of={one.status}
              look={queue.isUnheard && one.status === "OFFLINE" ? NOT_HEARD : undefined}
              plain
            />
            <Lead class="quiet clip" to={`/workers/${encodeURIComponent(one.worker_id)}`}>
              {one.hostname}
            </Lead>
            {one.adopted_at && (
              <span class="queue-adopted muted" title={WORDS.adoptedWhy}>
                {WORDS.adopted} <Ago at={one.adopted_at} />
              </span>
            )}
            <span class="end muted num">
              {one.status === "OFFLINE" ? (
                <>
                  heard <Ago at={one.last_heartbeat} />
                </>
              ) : (
                `runs ${count(one.current_load)}${one.capacity === null ? "" : ` of ${count(one.capacity)}`}`
              )}
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}

/** What is due and not handed over yet has to be worked off as well. */
const withDue = (queue: QueueDetail) => ({
  in_per_minute: queue.in_per_minute,
  waiting: queue.waiting === null ? null : queue.waiting + queue.due,
});

/** What would become of it with more or fewer tasks at once; and the press that makes it so. */
export function WhatIf({ queue, trends }: { queue: QueueDetail; trends: Trends }) {
  const online = queue.workers.filter((one) => one.status === "ACTIVE");
  const present = online.reduce((sum, one) => sum + (one.capacity ?? 0), 0);
  const most = Math.max(16, present * 4);
  const chosen = useSignal<number | null>(null);
  const atOnce = chosen.value ?? Math.max(1, present);
  const mean =
    trends.by_queue.find((one) => one.queue_name === queue.queue_name)?.average_duration_seconds ?? null;
  const standing = standingStill(queue);
  if (standing) return <p class="muted">{standing}</p>;
  const forecast = whatIf(withDue(queue), atOnce, mean);
  if (forecast === null || mean === null) return <p class="muted">{WORDS.noMean}</p>;
  const grown = online.length === 1 && chosen.value !== null && atOnce !== present ? online[0] : undefined;
  return (
    <div class="queue-what-if">
      <label>
        <span class="num">
          <b>{plural(atOnce, "task")}</b> at once
          {atOnce === present && <span class="muted"> as now</span>}
        </span>
        <input
          type="range"
          min={0}
          max={most}
          value={atOnce}
          aria-valuetext={sentenceOfForecast(forecast, atOnce)}
          onInput={(event) => (chosen.value = Number(event.currentTarget.value))}
        />
      </label>
      <div>
        <p class="queue-forecast">{sentenceOfForecast(forecast, atOnce)}</p>
        <p class="muted">
          If its workers did nothing else, and a task took {duration(mean)} as on average of late.{" "}
          {grown && may("operate") && maySee("/workers") && (
            <a href={href(`/workers/${encodeURIComponent(grown.worker_id)}`, { capacity: atOnce })}>
              Set the capacity of {grown.hostname} to {count(atOnce)}
            </a>
          )}
        </p>
      </div>
    </div>
  );
}

/** The names whose tasks went through it. */
export function Names({ trends }: { trends: Trends }) {
  const names = trends.by_task.filter((one) => one.submitted + one.completed + one.failed > 0).slice(0, 12);
  if (names.length === 0) return <p class="muted list-more">{WORDS.noNames}</p>;
  return (
    <ul class="list">
      {names.map((one) => (
        <li key={one.task_name ?? ""}>
          {one.task_name === null ? (
            <span class="muted">not told</span>
          ) : (
            <a class="quiet clip" href={href(`/names/${encodeURIComponent(one.task_name)}`)}>
              {one.task_name}
            </a>
          )}
          <span class="end num">
            {plural(one.submitted, "task")}
            {one.failed > 0 && (
              <span class="queue-failed">
                {" "}
                {percent(one.completion_rate === null ? null : 100 - one.completion_rate)} failed
              </span>
            )}
          </span>
        </li>
      ))}
    </ul>
  );
}
