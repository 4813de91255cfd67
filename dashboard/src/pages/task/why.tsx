// Why a task is not running: what stands on its way, looked at one by one, with evidence and what mends it.
import { mayOpen } from "../../allowed.ts";
import { segment } from "../../api/client.ts";
import { type Data, useData } from "../../api/query.ts";
import { pageOf } from "../../logic/marks.ts";
import { adviceOf, detailOf, holdOf, shortOf, verdictOf } from "../../logic/sentence.ts";
import { Icon } from "../../parts/icons.tsx";
import { Section } from "../../parts/page.tsx";
import { Shown } from "../../parts/states.tsx";
import { Ago, clock } from "../../parts/time.tsx";
import { Told } from "../../parts/told.tsx";
import { href } from "../../router.ts";
import type { Explanation, Task } from "./types.ts";
import { WORDS } from "./words.ts";

const ICON = { ok: "check", blocks: "close", unknown: "help" } as const;
const SAID = { ok: "well", blocks: "stands in the way", unknown: "not known" } as const;

type Check = Explanation["checks"][number];

/** Where the thing that is looked at can be seen. */
function placeOf(check: Check, queueName: string | null): { label: string; to: string } | null {
  const text = (name: string) =>
    typeof check.evidence[name] === "string" ? String(check.evidence[name]) : null;
  const queue = text("queue_name") ?? text("queue") ?? queueName;
  switch (check.name) {
    case "queue":
    case "consumers":
      return queue
        ? { label: "Queue", to: `/queues/${encodeURIComponent(queue)}` }
        : { label: "Queues", to: "/queues" };
    case "runner":
    case "capacity":
    case "held":
      return { label: "Workers", to: "/workers" };
    case "registered":
      return { label: "Names", to: "/names" };
    case "marks":
      return pageOf(text("service_name") ?? "") ?? { label: "System", to: "/system" };
    case "breaker":
    case "broker":
    case "mirror":
    case "outbox":
      return { label: "System", to: "/system" };
    default:
      return null;
  }
}

/** Read why a task does not run; null reads nothing. What held it up before it started holds it up no more. */
export function useWhy(task: Task | null): Data<Explanation> {
  const read = useData<Explanation>(task && `/tasks/${segment(task.task_id)}/explanation`, {
    topics: task ? [`task:${task.task_id}`] : [],
    every: 5_000,
  });
  return read.value && read.value.status !== task?.status ? { ...read, value: undefined } : read;
}

export function Why({ task }: { task: Task }) {
  const isRunning = task.status === "RUNNING";
  const found = useWhy(task);
  if (isRunning && !found.value?.checks.some((check) => check.state !== "ok")) return null;
  if (found.error?.isAbsent || found.value?.checks.length === 0) return null;
  return (
    <Section title={isRunning ? WORDS.whyRunning : WORDS.why} flush>
      <Shown data={found} lines={4} quietAbsence>
        {(it) => {
          const said = holdOf(task, it);
          return (
            <>
              {it.verdict !== said?.detail && <p class="why-verdict">{verdictOf(it, clock.value)}</p>}
              <ul class="why">
                {it.checks.map((check, index) => (
                  <Looked
                    key={`${check.name}${index}`}
                    check={check}
                    queueName={task.queue_name}
                    isSaid={check === said}
                  />
                ))}
              </ul>
            </>
          );
        }}
      </Shown>
    </Section>
  );
}

/** One thing on its way. `isSaid`: under the title of the page already. */
function Looked({ check, queueName, isSaid }: { check: Check; queueName: string | null; isSaid: boolean }) {
  const place = check.state === "ok" ? null : placeOf(check, queueName);
  return (
    <li data-state={check.state}>
      <Icon name={ICON[check.state]} />
      <span class="why-name" title={WORDS.checks[check.name]}>
        {check.name}
        <span class="sr"> {SAID[check.state]}</span>
      </span>
      <span>
        {isSaid ? shortOf(check) : detailOf(check, clock.value)}
        {check.action && (
          <span class="why-action">
            <Told text={adviceOf(check.action)} />
          </span>
        )}
      </span>
      <span class="why-end">
        {check.since && check.state !== "ok" && <Ago at={check.since} />}
        {place && mayOpen(place.to) && (
          <a class="button" href={href(place.to)}>
            {place.label}
          </a>
        )}
      </span>
    </li>
  );
}
