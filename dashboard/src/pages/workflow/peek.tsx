// A look at one step, or at a fan of them, beside the graph.
import { foldsOf, tally } from "../../logic/fold.ts";
import { count, duration, plural } from "../../logic/format.ts";
import { runOf, waitOf } from "../../logic/lengths.ts";
import { lookOf } from "../../logic/status.ts";
import { whyOf } from "../../logic/workflow.ts";
import { Id } from "../../parts/copy.tsx";
import { Icon } from "../../parts/icons.tsx";
import { JsonView } from "../../parts/json.tsx";
import { Facts } from "../../parts/page.tsx";
import { Status } from "../../parts/status.tsx";
import { HowLong, Time } from "../../parts/time.tsx";
import { href, params, setParams } from "../../router.ts";
import type { StepDetail, Workflow } from "./types.ts";
import { WORDS } from "./words.ts";

const FIRST = 12;

export function Peek({ workflow, at }: { workflow: Workflow; at: string }) {
  const step = workflow.steps.find((one) => one.id === at);
  const fan = step ? undefined : foldsOf(workflow.steps).find((fold) => fold.key === at);
  if (!step && !fan) return null;
  return (
    <aside class="workflow-peek" aria-label={step ? "Step" : "Steps"}>
      <header>
        <h2 class="clip" title={step?.id}>
          {step ? step.id : workflow.steps[fan!.steps[0]!]!.task_name}
        </h2>
        <button type="button" class="icon-button" aria-label="Close" onClick={() => setParams({ at: null })}>
          <Icon name="close" />
        </button>
      </header>
      {step ? (
        <OneStep step={step} workflow={workflow} />
      ) : (
        <Fan fanKey={at} steps={fan!.steps.map((index) => workflow.steps[index]!)} />
      )}
    </aside>
  );
}

function OneStep({ step, workflow }: { step: StepDetail; workflow: Workflow }) {
  const needed = workflow.steps.filter((one) => one.depends_on.includes(step.id)).map((one) => one.id);
  const why = whyOf(step, workflow);
  const path = `/tasks/${encodeURIComponent(step.task_id)}`;
  const hasTask = step.created_at !== null;
  return (
    <>
      <p class="workflow-peek-line">
        <Status of={step.status} />
        {hasTask ? (
          <Id id={step.task_id} to={href(path)} />
        ) : (
          <span class="muted">{step.status === "SKIPPED" ? WORDS.noTask : WORDS.unstarted}</span>
        )}
      </p>
      {why && <p class="workflow-why">{why}</p>}
      {step.error && <p class="workflow-error">{step.error}</p>}
      <Facts
        of={[
          [
            "task",
            <a key="t" href={href(`/names/${encodeURIComponent(step.task_name)}`)}>
              {step.task_name}
            </a>,
          ],
          ["needs", <Ids key="n" ids={step.depends_on} />],
          ["needed by", <Ids key="b" ids={needed} />],
          hasTask && ["started", <Time key="s" at={step.started_at} />],
          hasTask && ["waited", <HowLong key="w" of={(now) => waitOf(step, now)} />],
          hasTask && ["ran", <HowLong key="r" of={(now) => runOf(step, now)} />],
          step.worker_hostname !== null && ["worker", step.worker_hostname],
          ["queue", step.queue_name],
          step.retry_count > 0 && ["retries", `${step.retry_count} of ${step.max_retries}`],
        ]}
      />
      {step.status === "COMPLETED" &&
        (step.result_omitted ? (
          <p class="muted">{WORDS.omitted}</p>
        ) : (
          <JsonView label="result" value={step.result} open={1} />
        ))}
      {hasTask && (
        <a class="button" href={href(path)}>
          Open the task
        </a>
      )}
    </>
  );
}

/** The first steps of a list, each of which is looked at with a press. */
function Ids({ ids }: { ids: readonly string[] }) {
  if (ids.length === 0) return <>–</>;
  return (
    <span class="workflow-ids">
      {ids.slice(0, FIRST).map((id) => (
        <button key={id} type="button" class="link" onClick={() => setParams({ at: id }, { replace: true })}>
          {id}
        </button>
      ))}
      {ids.length > FIRST && <span class="muted">and {count(ids.length - FIRST)} more</span>}
    </span>
  );
}

function Fan({ fanKey, steps }: { fanKey: string; steps: readonly StepDetail[] }) {
  const order = tally(steps.map((step) => step.status)).map(([status]) => status);
  const urgent = [...steps].sort((a, b) => order.indexOf(a.status) - order.indexOf(b.status)).slice(0, FIRST);
  const open = [params.value.get("open"), fanKey].filter(Boolean).join("\n");
  return (
    <>
      <p class="workflow-peek-line">
        {tally(steps.map((step) => step.status)).map(([status, number]) => (
          <Status
            key={status}
            look={{ ...lookOf(status), word: `${count(number)} ${lookOf(status).word}` }}
          />
        ))}
      </p>
      <p class="muted">
        {plural(steps.length, "step")} of this task wait for the same steps and lead to the same.
      </p>
      <ul class="list">
        {urgent.map((step) => (
          <li key={step.id}>
            <Status of={step.status} plain />
            <button type="button" class="link clip" onClick={() => setParams({ at: step.id })}>
              {step.id}
            </button>
            <span class="end num muted">{duration(step.duration_seconds)}</span>
          </li>
        ))}
      </ul>
      {steps.length > FIRST && <p class="muted">and {count(steps.length - FIRST)} more: see Steps.</p>}
      <button type="button" class="button" onClick={() => setParams({ open, at: null })}>
        Unfold them in the graph
      </button>
    </>
  );
}
