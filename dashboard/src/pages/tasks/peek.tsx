// A look at one task beside the list: enough to go on to the next, with j and k.
import { segment } from "../../api/client.ts";
import { useData } from "../../api/query.ts";
import { may } from "../../api/session.ts";
import type { TaskRow } from "../../api/types.ts";
import { holdOn, sentenceOfHeld } from "../../logic/holds.ts";
import { runOf, waitOf } from "../../logic/lengths.ts";
import { Id } from "../../parts/copy.tsx";
import { useHeld } from "../../parts/held.tsx";
import { Icon } from "../../parts/icons.tsx";
import { JsonView } from "../../parts/json.tsx";
import { Facts } from "../../parts/page.tsx";
import { Shown } from "../../parts/states.tsx";
import { TaskStatus } from "../../parts/status.tsx";
import { clock, HowLong, Time } from "../../parts/time.tsx";
import { href } from "../../router.ts";
import { Story } from "../task/story.tsx";
import type { Task } from "../task/types.ts";

export function Peek({ id, row, onClose }: { id: string; row: TaskRow | undefined; onClose: () => void }) {
  const task = useData<Task>(`/tasks/${segment(id)}`, { topics: [`task:${id}`] });
  const held = useHeld(may("read") && task.value?.phase === "dispatching").value;
  const hold = task.value && holdOn(task.value, held);
  const path = `/tasks/${encodeURIComponent(id)}`;
  return (
    <aside class="tasks-peek" aria-label="Task">
      <header>
        <h2 class="clip">
          <a class="quiet" href={href(path)}>
            {row?.task_name ?? task.value?.task_name ?? id}
          </a>
        </h2>
        <button type="button" class="icon-button" aria-label="Close" onClick={onClose}>
          <Icon name="close" />
        </button>
      </header>
      <Shown data={task} lines={6}>
        {(it) => (
          <div class="tasks-peek-body">
            <p class="tasks-peek-line">
              <TaskStatus task={it} held={held} /> <Id id={id} to={href(path)} />
            </p>
            {hold && <p class="note">{sentenceOfHeld(hold, clock.value)}</p>}
            {it.error && <p class="tasks-peek-error">{it.error}</p>}
            <Story task={it} small />
            <Facts
              of={[
                ["created", <Time key="c" at={it.created_at} />],
                ["waited", <HowLong key="w" of={(now) => waitOf(it, now)} />],
                ["ran", <HowLong key="r" of={(now) => runOf(it, now)} />],
                ["queue", it.queue_name ?? "–"],
                ["worker", it.worker_hostname ?? "–"],
                it.retry_count > 0 && ["retries", String(it.retry_count)],
              ]}
            />
            {it.task_args && it.task_args.length > 0 && (
              <JsonView label="arguments" value={it.task_args} open={1} />
            )}
            {it.task_kwargs && Object.keys(it.task_kwargs).length > 0 && (
              <JsonView label="named arguments" value={it.task_kwargs} open={1} />
            )}
            <a class="button" href={href(path)}>
              Open <kbd>Enter</kbd>
            </a>
          </div>
        )}
      </Shown>
    </aside>
  );
}
