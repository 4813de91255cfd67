// Everything that was told of the workflow and of the tasks of its steps.
import { segment } from "../../api/client.ts";
import { useData } from "../../api/query.ts";
import type { Page as Rows } from "../../api/types.ts";
import { count } from "../../logic/format.ts";
import { Details } from "../../parts/details.tsx";
import { Empty, Shown } from "../../parts/states.tsx";
import { Time } from "../../parts/time.tsx";
import { href, params, setParams } from "../../router.ts";
import type { Workflow, WorkflowEvent } from "./types.ts";
import { WORDS } from "./words.ts";

const PAGE = 200;
/** What is told of an attempt that did not go well. */
const FAILURES = ["failed", "retried", "rejected", "lost"];

export function Events({ workflow }: { workflow: Workflow }) {
  const offset = Math.max(0, Number.parseInt(params.value.get("offset") ?? "0", 10) || 0);
  const current = new Set(workflow.steps.map((step) => step.task_id));
  const isEarlier = (event: WorkflowEvent) => event.task_id !== null && !current.has(event.task_id);
  const isFailures = params.value.get("only") === "failures";
  const events = useData<Rows<WorkflowEvent>>(`/workflows/${segment(workflow.workflow_id)}/timeline`, {
    query: { limit: PAGE, offset, ...(isFailures && { event_type: FAILURES }) },
    topics: [`workflow:${workflow.workflow_id}`],
  });
  return (
    <>
      <label class="workflow-only">
        <input
          type="checkbox"
          checked={isFailures}
          onChange={() => setParams({ only: isFailures ? null : "failures", offset: null })}
        />
        {WORDS.onlyFailures}
      </label>
      <Shown data={events} lines={6}>
        {(found) =>
          found.total === 0 ? (
            <Empty title={isFailures ? WORDS.noFailures : WORDS.noEvents} icon="clock" />
          ) : (
            <>
              <table class="workflow-events">
                <thead>
                  <tr>
                    <th scope="col">time</th>
                    <th scope="col">step</th>
                    <th scope="col">event</th>
                    <th scope="col">details</th>
                  </tr>
                </thead>
                <tbody>
                  {found.data.map((event, index) => (
                    <tr key={offset + index}>
                      <td>
                        <Time at={event.timestamp} />
                      </td>
                      <td>
                        <Where event={event} isEarlier={isEarlier(event)} />
                      </td>
                      <td>
                        <b>{event.event_type.replaceAll("_", " ")}</b>
                      </td>
                      <td class="workflow-details">
                        <Details of={event.details} />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
              {found.total > PAGE && <Pager total={found.total} offset={offset} />}
            </>
          )
        }
      </Shown>
    </>
  );
}

function Where({ event, isEarlier }: { event: WorkflowEvent; isEarlier: boolean }) {
  if (event.step_id === null && event.task_id === null) return <span class="muted">the workflow</span>;
  const word = [event.step_id, isEarlier ? "an earlier try" : null].filter(Boolean).join(", ");
  return event.task_id ? (
    <a class="quiet" href={href(`/tasks/${encodeURIComponent(event.task_id)}`)}>
      {word}
    </a>
  ) : (
    <span>{word}</span>
  );
}

function Pager({ total, offset }: { total: number; offset: number }) {
  const go = (to: number) => setParams({ offset: to > 0 ? to : null });
  return (
    <p class="workflow-pager num">
      {count(offset + 1)} to {count(Math.min(total, offset + PAGE))} of {count(total)}
      <button type="button" class="button" disabled={offset === 0} onClick={() => go(offset - PAGE)}>
        Earlier
      </button>
      <button
        type="button"
        class="button"
        disabled={offset + PAGE >= total}
        onClick={() => go(offset + PAGE)}
      >
        Later
      </button>
    </p>
  );
}
