// One task: what became of it in one sentence, its story, why it waits, what went in and came out.
import { useSignal } from "@preact/signals";
import { ask, segment } from "../../api/client.ts";
import { useData } from "../../api/query.ts";
import { may } from "../../api/session.ts";
import type { Page as Rows, TaskRow } from "../../api/types.ts";
import { useKeys } from "../../keys.ts";
import { duration, period, plural } from "../../logic/format.ts";
import { runOf, waitOf } from "../../logic/lengths.ts";
import { proofOfCancel } from "../../logic/proof.ts";
import { wasReplayed } from "../../logic/replays.ts";
import { firstStart, sentenceOfTask } from "../../logic/sentence.ts";
import { hasEnded, lookOfTask } from "../../logic/status.ts";
import { nameOf } from "../../logic/story.ts";
import { ActionButton, act, Confirm } from "../../parts/actions.tsx";
import { By } from "../../parts/by.tsx";
import { asCurl, CopyAs, copy, Id } from "../../parts/copy.tsx";
import { Icon } from "../../parts/icons.tsx";
import { Lead } from "../../parts/lead.tsx";
import { Menu } from "../../parts/menu.tsx";
import { Facts, PageHead, type PageProps, Section } from "../../parts/page.tsx";
import { Receipt } from "../../parts/receipt.tsx";
import { Empty, none, Shown } from "../../parts/states.tsx";
import { TaskStatus } from "../../parts/status.tsx";
import { clock, HowLong, Time } from "../../parts/time.tsx";
import { say } from "../../parts/toasts.tsx";
import { go, href } from "../../router.ts";
import { lastList } from "../tasks/last.ts";
import { Events, Input, Outcome } from "./contents.tsx";
import { ReplayedAs, ReplayedBefore } from "./replays.tsx";
import { Story } from "./story.tsx";
import type { Task, Timeline, Tree } from "./types.ts";
import { useWhy, Why } from "./why.tsx";
import { WORDS } from "./words.ts";
import "./page.css";

const pathOf = (id: string) => `/tasks/${encodeURIComponent(id)}`;

export default function Page({ params }: PageProps) {
  const id = params.id ?? "";
  const task = useData<Task>(`/tasks/${segment(id)}`, { topics: [`task:${id}`] });
  if (task.error?.status === 404 && !task.value)
    return (
      <>
        <PageHead title={WORDS.title} />
        <Empty title={none("There is no task with this id.")} icon="search">
          <p>It may have been deleted at the end of its retention, or never submitted here.</p>
          <a class="button" href={href("/tasks", { search: id })}>
            Search for it
          </a>
        </Empty>
      </>
    );
  return (
    <Shown data={task} lines={6}>
      {(it) => <Whole task={it} />}
    </Shown>
  );
}

function Whole({ task }: { task: Task }) {
  const path = `/tasks/${segment(task.task_id)}`;
  const topics = [`task:${task.task_id}`];
  const timeline = useData<Timeline>(`${path}/timeline`, { topics });
  const isAsked =
    ["dispatching", "running"].includes(task.phase) || (task.cancel_requested && !hasEnded(task));
  const why = useWhy(isAsked ? task : null);
  const dialog = useSignal<"cancel" | "kill" | "replay" | null>(null);
  const told = useSignal<string | undefined>(undefined);
  const ended = hasEnded(task);
  const canReplay = ended && task.task_args !== null;
  const canCancel = !ended;
  // Enter alone runs it again only where it is known that nobody has done so yet.
  const isFirst = wasReplayed(timeline.value) === "no";
  const isRead = !why.value?.checks.some((check) => check.name === "consumers" && check.state === "blocks");
  const proof = proofOfCancel(task, timeline.value?.events ?? [], told.value, isRead);

  const replay = async () => {
    const made = await act<{ task_id: string }>("POST", `${path}/replay`, { topics: ["tasks", ...topics] });
    if (made) {
      say("Replayed as a new task.", { tone: "completed" });
      go(pathOf(made.task_id));
    }
  };
  const compare = async () => {
    const query = { task_name: task.task_name, status: "COMPLETED", limit: 2, rows: "data" };
    const found = await ask<Rows<TaskRow>>("GET", "/search/tasks", { query });
    const other = found.value.data.find((row) => row.task_id !== task.task_id);
    if (other) go("/compare", { query: { a: task.task_id, b: other.task_id } });
    else say("No task of this name has completed yet.");
  };
  const step = (by: number) => {
    const at = lastList.peek().indexOf(task.task_id);
    const next = at < 0 ? undefined : lastList.peek()[at + by];
    if (next) go(pathOf(next));
  };
  useKeys({
    ...(canReplay &&
      may("operate") && {
        r: { does: "replay", run: () => (dialog.value = "replay") },
        R: { does: "replay with changes", run: () => go("/submit", { query: { from: task.task_id } }) },
      }),
    ...(canCancel && may("operate") && { c: { does: "cancel", run: () => (dialog.value = "cancel") } }),
    ...(may("read") && { d: { does: "compare with the last success of this name", run: compare } }),
    "[": { does: "task before, of the list one came from", run: () => step(-1) },
    "]": { does: "next task of that list", run: () => step(1) },
    y: { does: "copy the id", run: () => copy(task.task_id) },
    Y: { does: "copy as curl", run: () => copy(asCurl({ path }), "Copied as curl") },
  });
  return (
    <>
      <PageHead
        name={task.task_name ?? task.task_id}
        state={stateOf(task)}
        title={
          <span class="task-title">
            <TaskStatus task={task} /> <span>{task.task_name ?? "Name not told yet"}</span>
          </span>
        }
        lead={
          <>
            {sentenceOfTask(task, clock.value, why.value)} {task.status === "FAILED" && <Alike task={task} />}
          </>
        }
      >
        {canCancel && (
          <ActionButton needs="operate" tone="failed" keyName="c" onClick={() => (dialog.value = "cancel")}>
            Cancel
          </ActionButton>
        )}
        {canReplay && (
          <>
            <ActionButton
              needs="operate"
              keyName="r"
              onClick={() => (dialog.value = "replay")}
              command={{ method: "POST", path: `${path}/replay` }}
            >
              Replay
            </ActionButton>
            {may("operate") && (
              <a class="button" href={href("/submit", { from: task.task_id })}>
                With changes <kbd>R</kbd>
              </a>
            )}
          </>
        )}
        {task.task_name && may("read") && (
          <button type="button" class="button" onClick={compare}>
            Compare <kbd>d</kbd>
          </button>
        )}
        <CopyAs command={{ path, cli: ["task", task.task_id] }} />
        {canCancel && task.status === "RUNNING" && may("operate") && (
          <Menu
            label="More"
            items={[{ label: "Cancel with SIGKILL", isDangerous: true, run: () => (dialog.value = "kill") }]}
          >
            <Icon name="more" />
          </Menu>
        )}
      </PageHead>
      <p class="task-id">
        <Id id={task.task_id} whole />
      </p>
      <ReplayedAs id={task.task_id} />
      {task.message && (
        <p class="note">
          <Icon name="alert" /> {task.message}
        </p>
      )}
      {proof.length > 0 && <Receipt title="Cancel" steps={proof} />}
      {!ended && <Why task={task} />}
      <Section
        title={WORDS.story}
        note={timeline.value?.complete === false ? WORDS.incomplete : undefined}
        flush
      >
        <Story task={task} />
      </Section>
      <div class="task-columns">
        <div class="task-column">
          <Outcome task={task} />
          <Input task={task} />
        </div>
        <Section title={WORDS.facts} flush>
          <FactsOf task={task} />
        </Section>
      </div>
      <Family task={task} />
      {timeline.value && <Events timeline={timeline.value} />}
      {!canReplay && ended && task.task_args === null && <p class="muted">{WORDS.noReplay}</p>}
      {dialog.value === "replay" && (
        <Confirm
          title="Run it again?"
          verb="Replay"
          tone="plain"
          isHarmless={isFirst}
          onConfirm={replay}
          onClose={() => (dialog.value = null)}
          command={{ method: "POST", path: `${path}/replay` }}
        >
          <p>{WORDS.replayWhat}</p>
          <ReplayedBefore id={task.task_id} />
        </Confirm>
      )}
      {(dialog.value === "cancel" || dialog.value === "kill") && (
        <AskCancel
          task={task}
          isHard={dialog.value === "kill"}
          onTold={(message) => (told.value = message)}
          onClose={() => (dialog.value = null)}
        />
      )}
    </>
  );
}

function stateOf(task: Task): string {
  return (
    { failed: "✕", completed: "✓", running: "▷", cancelled: "⊘" }[lookOfTask(task).shape as string] ?? "○"
  );
}

/** How many others failed alike within a day. */
function Alike({ task }: { task: Task }) {
  const error = task.error ? nameOf(task.error) : undefined;
  const query = {
    status: "FAILED",
    task_name: task.task_name,
    error,
    completed_after: "-24h",
    limit: 1,
    rows: "data",
  };
  const found = useData<Rows<TaskRow>>(error && task.task_name && may("read") ? "/search/tasks" : null, {
    query,
    every: 30_000,
  });
  const others = (found.value?.total ?? 0) - 1;
  if (others < 1) return null;
  return (
    <a href={href("/tasks", { status: "FAILED", task_name: task.task_name, error, completed_after: "-24h" })}>
      {plural(others, "other", "others", found.value?.total_is_exact)} failed like this today.
    </a>
  );
}

function FactsOf({ task }: { task: Task }) {
  const first = firstStart(task);
  const isAgain = first !== task.started_at;
  return (
    <Facts
      of={[
        ["created", <Time key="1" at={task.created_at} />],
        task.scheduled_at ? ["due", <Time key="2" at={task.scheduled_at} />] : null,
        [isAgain ? "first started" : "started", <Time key="3" at={first} />],
        isAgain ? ["last started", <Time key="3b" at={task.started_at} />] : null,
        ["ended", <Time key="4" at={task.completed_at} />],
        [
          isAgain ? "waited at first" : "waited",
          <HowLong key="w" of={(now) => waitOf({ ...task, started_at: first }, now)} />,
        ],
        [isAgain ? "ran at last" : "ran", <HowLong key="r" of={(now) => runOf(task, now)} />],
        [
          "queue",
          task.queue_name ? (
            <Lead key="5" to={`/queues/${encodeURIComponent(task.queue_name)}`}>
              {task.queue_name}
            </Lead>
          ) : (
            "–"
          ),
        ],
        [
          "worker",
          task.worker_id ? (
            <Lead key="6" to={`/workers/${task.worker_id}`}>
              {task.worker_hostname}
            </Lead>
          ) : (
            "–"
          ),
        ],
        [
          "name",
          task.task_name ? (
            <Lead key="7" to={`/names/${encodeURIComponent(task.task_name)}`}>
              {task.task_name}
            </Lead>
          ) : (
            "–"
          ),
        ],
        ["priority", task.priority === null ? "–" : String(task.priority)],
        ["retries", `${task.retry_count} of ${task.max_retries ?? "?"}`],
        task.timeout_seconds ? ["limit", period(task.timeout_seconds)] : null,
        task.workflow_id
          ? ["workflow", <Id key="8" id={task.workflow_id} to={href(`/workflows/${task.workflow_id}`)} />]
          : null,
        task.original_task_id
          ? ["replay of", <Id key="9" id={task.original_task_id} to={href(pathOf(task.original_task_id))} />]
          : null,
        ["submitted by", task.submitted_by ? <By key="10" label={task.submitted_by} /> : "another program"],
      ]}
    />
  );
}

/** The tasks that it came of, and that came of it. */
function Family({ task }: { task: Task }) {
  const tree = useData<Tree>(may("read") ? `/tasks/${segment(task.task_id)}/tree` : null, {
    query: { limit: 100 },
    topics: [`task:${task.task_id}`],
  });
  if (!tree.value || tree.value.data.length < 2) return null;
  return (
    <Section title={WORDS.tree} note={plural(tree.value.total, "task")} flush>
      <ul class="list">
        {tree.value.data.map((row) => (
          <li
            key={row.task_id}
            style={{ paddingLeft: `${Math.min(row.depth, 12) * 20}px` }}
            aria-current={row.task_id === task.task_id ? "true" : undefined}
          >
            <TaskStatus task={row} plain />
            {row.task_id === task.task_id ? (
              <b class="clip">{row.task_name}</b>
            ) : (
              <a class="clip quiet" href={href(pathOf(row.task_id))}>
                {row.task_name ?? row.task_id}
              </a>
            )}
            <span class="end num muted">{duration(row.duration_seconds)}</span>
          </li>
        ))}
      </ul>
    </Section>
  );
}

function AskCancel({
  task,
  isHard,
  onTold,
  onClose,
}: {
  task: Task;
  isHard: boolean;
  onTold: (message: string) => void;
  onClose: () => void;
}) {
  const path = `/tasks/${segment(task.task_id)}/cancel`;
  const body = isHard ? { signal: "SIGKILL" } : undefined;
  return (
    <Confirm
      title={isHard ? "Kill the process that runs it?" : "Cancel this task?"}
      verb={isHard ? "Kill it" : "Cancel the task"}
      onClose={onClose}
      command={{ method: "POST", path, body }}
      onConfirm={async () => {
        const answer = await act<{ message: string }>("POST", path, {
          body,
          topics: ["tasks", `task:${task.task_id}`],
        });
        if (answer) onTold(answer.message);
      }}
    >
      <p>
        {task.status === "RUNNING"
          ? isHard
            ? "Its process ends at once and cleans nothing up. Other tasks of this process are not touched on a prefork pool."
            : "Its worker is asked to stop it. The receipt shows when that is proven."
          : "What has not started never runs. The receipt shows when that is proven."}
      </p>
    </Confirm>
  );
}
