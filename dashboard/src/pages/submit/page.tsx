// A new task, an old one again with changes, or a whole workflow.
import { segment } from "../../api/client.ts";
import { useData } from "../../api/query.ts";
import { Id } from "../../parts/copy.tsx";
import { PageHead, type PageProps } from "../../parts/page.tsx";
import { Empty, none, Shown } from "../../parts/states.tsx";
import { TaskStatus } from "../../parts/status.tsx";
import { Tabs } from "../../parts/tabs.tsx";
import { href, params } from "../../router.ts";
import { ReplayedBefore } from "../task/replays.tsx";
import type { Task } from "../task/types.ts";
import { TaskForm } from "./task-form.tsx";
import { WORDS } from "./words.ts";
import { WorkflowForm } from "./workflow-form.tsx";
import "./page.css";

export default function Page(_props: PageProps) {
  const from = params.value.get("from");
  if (from) return <Replay id={from} />;
  const isWorkflow = params.value.get("as") === "workflow";
  return (
    <>
      <PageHead
        title={isWorkflow ? WORDS.workflow : WORDS.task}
        lead={isWorkflow ? WORDS.leadWorkflow : WORDS.leadTask}
      />
      <Tabs
        name="as"
        label="What is submitted"
        tabs={[
          { id: "task", title: "Task" },
          { id: "workflow", title: "Workflow" },
        ]}
      />
      {isWorkflow ? <WorkflowForm /> : <TaskForm />}
    </>
  );
}

/** The original stays as it was when the form was opened: what is being written is not overwritten. */
function Replay({ id }: { id: string }) {
  const task = useData<Task>(`/tasks/${segment(id)}`);
  if (task.error?.status === 404 && !task.value)
    return (
      <>
        <PageHead title={WORDS.replay} />
        <Empty title={none("There is no task with this id.")} icon="search">
          <a class="button" href={href("/submit")}>
            Submit a new one
          </a>
        </Empty>
      </>
    );
  return (
    <>
      <PageHead title={WORDS.replay} lead={WORDS.leadReplay} />
      <Shown data={task} lines={6}>
        {(it) => (
          <>
            <p class="submit-original">
              <TaskStatus task={it} /> <b>{it.task_name}</b>
              <Id id={id} to={href(`/tasks/${encodeURIComponent(id)}`)} />
            </p>
            <ReplayedBefore id={id} />
            <TaskForm key={id} original={it} />
          </>
        )}
      </Shown>
    </>
  );
}
