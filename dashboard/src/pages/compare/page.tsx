// Two tasks: where they first differ, their arguments as a patch, and their stories on one scale.
import { useState } from "preact/hooks";
import { ask, segment } from "../../api/client.ts";
import { useData } from "../../api/query.ts";
import type { Page as Rows, TaskRow } from "../../api/types.ts";
import { useKeys } from "../../keys.ts";
import { firstDifference, linesOf } from "../../logic/comparison.ts";
import type { Difference } from "../../logic/patch.ts";
import { asCurl, CopyAs, copy, Id } from "../../parts/copy.tsx";
import { PageHead, type PageProps, Section } from "../../parts/page.tsx";
import { Empty, ErrorBox, Loading, Shown } from "../../parts/states.tsx";
import { TaskStatus } from "../../parts/status.tsx";
import { Time } from "../../parts/time.tsx";
import { say } from "../../parts/toasts.tsx";
import { href, params, setParams } from "../../router.ts";
import { Changes } from "../submit/changes.tsx";
import type { Task } from "../task/types.ts";
import { Timelines } from "./timelines.tsx";
import type { Comparison } from "./types.ts";
import { WORDS } from "./words.ts";
import "../task/story.css";
import "./page.css";

export default function Page(_props: PageProps) {
  const a = params.value.get("a");
  const b = params.value.get("b");
  if (!a || !b) return <Choose a={a ?? ""} b={b ?? ""} />;
  return <Both key={`${a} ${b}`} a={a} b={b} />;
}

function Both({ a, b }: { a: string; b: string }) {
  const path = `/tasks/${segment(a)}/compare/${segment(b)}`;
  const topics = [`task:${a}`, `task:${b}`];
  const compared = useData<Comparison>(path, { topics });
  const one = useData<Task>(`/tasks/${segment(a)}`, { topics: [`task:${a}`] });
  const other = useData<Task>(`/tasks/${segment(b)}`, { topics: [`task:${b}`] });
  const swap = () => setParams({ a: b, b: a }, { replace: true });
  useKeys({
    x: { does: "swap the two", run: swap },
    Y: { does: "copy as curl", run: () => copy(asCurl({ path }), "Copied as curl") },
  });
  const gone = [compared, one, other].some((data) => data.error?.status === 404 && !data.value);
  if (gone)
    return (
      <>
        <PageHead title={WORDS.title} />
        <Empty title={WORDS.missing} icon="search">
          <a class="button" href={href("/compare")}>
            Choose others
          </a>
        </Empty>
      </>
    );
  if (compared.value && (!one.value || !other.value) && !one.error && !other.error)
    return (
      <>
        <PageHead title={WORDS.title} />
        <Loading lines={6} />
      </>
    );
  const isWhole = compared.value && one.value && other.value;
  return isWhole ? (
    <Whole it={compared.value!} one={one.value!} other={other.value!} swap={swap} path={path} />
  ) : (
    <>
      <PageHead title={WORDS.title} />
      {[one, other].map((side) => side.error && <ErrorBox key={side.error.message} error={side.error} />)}
      <Shown data={compared} lines={6}>
        {() => null}
      </Shown>
    </>
  );
}

function Whole({
  it,
  one,
  other,
  swap,
  path,
}: {
  it: Comparison;
  one: Task;
  other: Task;
  swap: () => void;
  path: string;
}) {
  const lines = linesOf(it, one, other);
  const changes: Difference[] = (it.arguments ?? []).map((change) => ({ ...change, old: change.old_value }));
  return (
    <>
      <PageHead title={WORDS.title} lead={firstDifference(it, lines, changes)}>
        <button type="button" class="button" onClick={swap}>
          Swap <kbd>x</kbd>
        </button>
        <LastSuccess of={one} now={other} />
        <CopyAs command={{ path }} />
      </PageHead>
      <div class="compare-sides">
        <Side name={WORDS.one} task={one} />
        <Side name={WORDS.other} task={other} />
      </div>
      <Section title={WORDS.arguments} note={changes.length > 0 ? "A → B" : undefined} flush>
        {it.arguments === null ? (
          <p class="muted compare-none">{WORDS.argumentsUnknown}</p>
        ) : (
          <Changes of={changes} first={WORDS.argumentsSame} />
        )}
        {it.arguments_truncated && <p class="muted">{WORDS.truncated}</p>}
      </Section>
      <Section title={WORDS.facts} flush>
        <table class="compare-facts">
          <thead class="sr">
            <tr>
              <th scope="col">what</th>
              <th scope="col">{WORDS.one}</th>
              <th scope="col">{WORDS.other}</th>
              <th scope="col">alike</th>
            </tr>
          </thead>
          <tbody>
            {lines.map((line) => (
              <tr key={line.name} data-differs={line.isSame === false ? "" : undefined}>
                <th scope="row">{line.name}</th>
                <td>{line.one}</td>
                <td>{line.other}</td>
                <td class="muted">
                  {line.isSame === null ? "not known" : line.isSame ? "alike" : "differs"}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Section>
      <Timelines it={it} one={one} other={other} />
    </>
  );
}

function Side({ name, task }: { name: string; task: Task }) {
  const path = `/tasks/${encodeURIComponent(task.task_id)}`;
  return (
    <section class="compare-side" aria-label={name}>
      <p>
        <b class="compare-letter">{name}</b> <TaskStatus task={task} /> <Time at={task.created_at} />
      </p>
      <h2 class="clip" title={task.task_name ?? ""}>
        <a class="quiet" href={href(path)}>
          {task.task_name ?? "Name not told yet"}
        </a>
      </h2>
      <Id id={task.task_id} to={href(path)} />
      {task.error && <p class="compare-error">{task.error}</p>}
    </section>
  );
}

/** Put the last success of the first one's name in the second place. */
function LastSuccess({ of, now }: { of: Task; now: Task }) {
  if (!of.task_name) return null;
  const find = async () => {
    const query = { task_name: of.task_name, status: "COMPLETED", limit: 3, rows: "data" };
    try {
      const found = await ask<Rows<TaskRow>>("GET", "/search/tasks", { query });
      const last = found.value.data.find((row) => row.task_id !== of.task_id);
      if (!last) say("No other task of this name has completed.");
      else if (last.task_id === now.task_id) say("B is the last success of this name already.");
      else setParams({ b: last.task_id });
    } catch (error) {
      say(error instanceof Error ? error.message : String(error), { tone: "failed" });
    }
  };
  return (
    <button type="button" class="button" onClick={find}>
      Last success
    </button>
  );
}

function Choose({ a, b }: { a: string; b: string }) {
  const [one, setOne] = useState(a);
  const [other, setOther] = useState(b);
  const field = (label: string, value: string, set: (text: string) => void) => (
    <label class="labelled">
      {label}
      <input
        class="field mono"
        required
        value={value}
        spellcheck={false}
        autoComplete="off"
        onInput={(event) => set(event.currentTarget.value)}
      />
    </label>
  );
  return (
    <>
      <PageHead title={WORDS.title} lead={WORDS.lead} />
      <p class="muted">{WORDS.choose}</p>
      <form
        class="compare-choose"
        onSubmit={(event) => {
          event.preventDefault();
          setParams({ a: one.trim(), b: other.trim() });
        }}
      >
        {field("Task A", one, setOne)}
        {field("Task B", other, setOther)}
        <div>
          <button type="submit" class="button primary">
            Compare
          </button>
        </div>
      </form>
    </>
  );
}
