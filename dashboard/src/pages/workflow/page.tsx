// One workflow: what became of it in one sentence, its graph, when each step ran, and what can be done with it.
import { signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { newKey, segment } from "../../api/client.ts";
import { useData } from "../../api/query.ts";
import { may } from "../../api/session.ts";
import { useKeys } from "../../keys.ts";
import { count, duration, plural } from "../../logic/format.ts";
import { hasEnded, lookOf } from "../../logic/status.ts";
import {
  type Before,
  proofOfRun,
  proofOfWorkflowCancel,
  retriedAfter,
  sentenceOfWorkflow,
  tookOf,
} from "../../logic/workflow.ts";
import { ActionButton, act, Confirm } from "../../parts/actions.tsx";
import { asCurl, CopyAs, copy, Id } from "../../parts/copy.tsx";
import { PageHead, type PageProps } from "../../parts/page.tsx";
import { Receipt } from "../../parts/receipt.tsx";
import { Empty, none, Shown } from "../../parts/states.tsx";
import { Status } from "../../parts/status.tsx";
import { chosenTab, Tabs } from "../../parts/tabs.tsx";
import { Ago, clock } from "../../parts/time.tsx";
import { go, href, params, setParams } from "../../router.ts";
import { Events } from "./events.tsx";
import { Gantt } from "./gantt.tsx";
import { Graph } from "./graph.tsx";
import { Peek } from "./peek.tsx";
import { theWorker } from "./place.ts";
import { Steps } from "./steps.tsx";
import type { Workflow, WorkflowGraph } from "./types.ts";
import { WORDS } from "./words.ts";
import "../task/story.css";
import "./page.css";

const pathOf = (id: string) => `/workflows/${encodeURIComponent(id)}`;
/** Only of what may be an id is anything told. */
const topicsOf = (id: string) => (/^[\da-f-]{36}$/i.test(id) ? [`workflow:${id}`] : []);
/** How it was when a retry was asked for here, by the workflow's id. */
const before = signal<Readonly<Record<string, Before>>>({});

export default function Page({ params: { id = "" } }: PageProps) {
  const workflow = useData<Workflow>(`/workflows/${segment(id)}`, { topics: topicsOf(id) });
  // It starts while the answer is awaited: then its 40 ms are not waited for.
  useEffect(() => {
    if (chosenTab("graph") === "graph") theWorker();
  }, []);
  if (workflow.error?.status === 404 && !workflow.value)
    return (
      <>
        <PageHead title={WORDS.title} />
        <Empty title={none(WORDS.gone)} icon="search">
          <p>{WORDS.goneWhy}</p>
          <a class="button" href={href("/workflows")}>
            All workflows
          </a>
        </Empty>
      </>
    );
  return (
    <Shown data={workflow} lines={6}>
      {(it) => <Whole workflow={it} />}
    </Shown>
  );
}

function Whole({ workflow }: { workflow: Workflow }) {
  const id = workflow.workflow_id;
  const path = `/workflows/${segment(id)}`;
  const topics = ["workflows", `workflow:${id}`];
  const graph = useData<WorkflowGraph>(`${path}/graph`, { topics });
  const asking = useSignal<"cancel" | "retry" | "replay" | null>(null);
  const told = useSignal<string | undefined>(undefined);
  // Until the answer after a retry has come, what is shown is from before it.
  const was = before.value[id];
  const isOver = hasEnded(workflow) && (!was || was.endedAt !== workflow.completed_at);
  const canRetry = isOver && workflow.status !== "COMPLETED";
  const tab = chosenTab("graph");
  const at = params.value.get("at");

  const retry = async () => {
    const kept = workflow.steps.filter((step) => step.status === "COMPLETED").length;
    const answer = await act<Workflow>("POST", `${path}/retry`, {
      done: `It goes on: ${plural(kept, "step that completed does", "steps that completed do")} not run again.`,
      topics,
    });
    if (!answer) return;
    before.value = { ...before.value, [id]: { kept, endedAt: workflow.completed_at } };
    setParams({ proof: "retry", at: null }, { replace: true });
  };
  const replay = async () => {
    const answer = await act<{ workflow_id: string }>("POST", `${path}/replay`, {
      done: "Replayed as a new workflow.",
      headers: { "Idempotency-Key": newKey() },
      topics,
    });
    if (answer) go(pathOf(answer.workflow_id), { query: { proof: "replay" } });
  };
  useKeys({
    ...(may("operate") && {
      ...(!isOver && { c: { does: "cancel", run: () => (asking.value = "cancel") } }),
      ...(canRetry && { r: { does: "retry what did not complete", run: () => (asking.value = "retry") } }),
      ...(isOver && { R: { does: "replay all of it", run: () => (asking.value = "replay") } }),
    }),
    y: { does: "copy the id", run: () => copy(id) },
    Y: { does: "copy as curl", run: () => copy(asCurl({ path }), "Copied as curl") },
    Escape: { does: "close the look at a step", run: () => setParams({ at: null }) },
  });
  return (
    <>
      <PageHead
        name={workflow.name}
        state={
          { FAILED: "✕", COMPLETED: "✓", RUNNING: "▷", CANCELLED: "⊘" }[workflow.status as string] ?? "○"
        }
        title={
          <span class="workflow-title">
            <Status look={lookOf(workflow.status)} /> <span>{workflow.name}</span>
          </span>
        }
        lead={<Sentence workflow={workflow} isOver={isOver} />}
      >
        {!isOver && (
          <ActionButton needs="operate" tone="failed" keyName="c" onClick={() => (asking.value = "cancel")}>
            Cancel
          </ActionButton>
        )}
        {canRetry && (
          <ActionButton
            needs="operate"
            primary
            keyName="r"
            onClick={() => (asking.value = "retry")}
            command={{ method: "POST", path: `${path}/retry` }}
          >
            Retry from failed
          </ActionButton>
        )}
        {isOver && (
          <ActionButton
            needs="operate"
            keyName="R"
            onClick={() => (asking.value = "replay")}
            command={{ method: "POST", path: `${path}/replay` }}
          >
            Replay
          </ActionButton>
        )}
        <CopyAs command={{ path, cli: ["workflow", "show", id] }} />
      </PageHead>
      <p class="workflow-id">
        <Id id={id} whole />
        <span>
          started <Ago at={workflow.created_at} />
        </span>
        {isOver && (
          <span class="num">
            took {duration(tookOf(workflow, 0).seconds)}
            {retriedAfter(workflow.retry_pause_seconds)}
          </span>
        )}
        <span>{workflow.on_failure === "stop" ? "stops at a failure" : "goes on after a failure"}</span>
        {workflow.original_workflow_id && (
          <span>
            replay of{" "}
            <Id id={workflow.original_workflow_id} to={href(pathOf(workflow.original_workflow_id))} />
          </span>
        )}
      </p>
      <Proof workflow={workflow} told={told.value} />
      <Tabs
        label="Views of this workflow"
        tabs={[
          { id: "graph", title: "Graph" },
          { id: "gantt", title: "Gantt" },
          { id: "steps", title: "Steps", note: count(workflow.steps.length) },
          { id: "events", title: "Events" },
        ]}
      />
      <div class="workflow-body" data-peek={at && tab !== "events" ? "" : undefined}>
        {tab === "gantt" ? (
          <Gantt workflow={workflow} />
        ) : tab === "steps" ? (
          <Steps workflow={workflow} />
        ) : tab === "events" ? (
          <Events workflow={workflow} />
        ) : (
          <Graph workflow={workflow} graph={graph.value} />
        )}
        {at && tab !== "events" && <Peek workflow={workflow} at={at} />}
      </div>
      {(asking.value === "retry" || asking.value === "replay") && (
        <AskRun
          kind={asking.value}
          workflow={workflow}
          onConfirm={asking.value === "retry" ? retry : replay}
          onClose={() => (asking.value = null)}
        />
      )}
      {asking.value === "cancel" && (
        <AskCancel
          workflow={workflow}
          onTold={(message) => (told.value = message)}
          onClose={() => (asking.value = null)}
        />
      )}
    </>
  );
}

/** The smallest that counts its seconds: else the whole graph would be drawn anew with each. */
function Sentence({ workflow, isOver }: { workflow: Workflow; isOver: boolean }) {
  return <>{sentenceOfWorkflow(workflow, isOver ? 0 : clock.value.now)}</>;
}

/** What has been asked of it, and how far that is proven. */
function Proof({ workflow, told }: { workflow: Workflow; told: string | undefined }) {
  const kind = params.value.get("proof");
  const cancel = proofOfWorkflowCancel(workflow, told);
  if (cancel.length > 0 && kind === null) return <Receipt title="Cancel" steps={cancel} />;
  if (kind !== "retry" && kind !== "replay") return null;
  const was = kind === "retry" ? before.value[workflow.workflow_id] : undefined;
  return <Receipt title={kind === "retry" ? "Retry" : "Replay"} steps={proofOfRun(workflow, kind, was)} />;
}

/** Asks before steps run again. */
function AskRun({
  kind,
  workflow,
  onConfirm,
  onClose,
}: {
  kind: "retry" | "replay";
  workflow: Workflow;
  onConfirm: () => Promise<unknown>;
  onClose: () => void;
}) {
  const path = `/workflows/${segment(workflow.workflow_id)}/${kind}`;
  const again = workflow.steps.filter((step) => kind === "replay" || step.status !== "COMPLETED").length;
  return (
    <Confirm
      title={kind === "retry" ? "Retry what did not complete?" : "Run all of it again?"}
      verb={kind === "retry" ? "Retry" : "Replay"}
      tone="plain"
      isHarmless
      onConfirm={onConfirm}
      onClose={onClose}
      command={{ method: "POST", path }}
    >
      <p>
        {plural(again, "step runs", "steps run")} again
        {kind === "retry" ? "; what completed does not" : ", as a new workflow"}.
      </p>
    </Confirm>
  );
}

function AskCancel({
  workflow,
  onTold,
  onClose,
}: {
  workflow: Workflow;
  onTold: (message: string) => void;
  onClose: () => void;
}) {
  const path = `/workflows/${segment(workflow.workflow_id)}/cancel`;
  const numbers = (status: string) => workflow.steps.filter((step) => step.status === status).length;
  const never = numbers("WAITING") + numbers("PENDING");
  const running = numbers("RUNNING");
  return (
    <Confirm
      title={`Cancel ${workflow.name}?`}
      verb="Cancel the workflow"
      onClose={onClose}
      command={{ method: "POST", path }}
      onConfirm={async () => {
        const answer = await act<{ message: string }>("POST", path, {
          topics: ["workflows", `workflow:${workflow.workflow_id}`],
        });
        if (!answer) return;
        setParams({ proof: null }, { replace: true });
        onTold(answer.message);
      }}
    >
      <p>
        {never > 0 ? `${plural(never, "step that has", "steps that have")} not started will not run. ` : ""}
        {running > 0 ? `${plural(running, "step that runs is", "steps that run are")} stopped. ` : ""}
        The receipt shows when that is proven.
      </p>
    </Confirm>
  );
}
