// What went into a task, what came out, and everything that was told of it.
import { useState } from "preact/hooks";
import { count, duration } from "../../logic/format.ts";
import { copy } from "../../parts/copy.tsx";
import { Details } from "../../parts/details.tsx";
import { Icon } from "../../parts/icons.tsx";
import { JsonView } from "../../parts/json.tsx";
import { Section } from "../../parts/page.tsx";
import { Time } from "../../parts/time.tsx";
import type { Task, Timeline } from "./types.ts";
import { WORDS } from "./words.ts";

export function Input({ task }: { task: Task }) {
  const hasArgs = (task.task_args?.length ?? 0) > 0;
  const hasKwargs = Object.keys(task.task_kwargs ?? {}).length > 0;
  const isForeign = task.task_args === null;
  return (
    <Section title={WORDS.input}>
      {isForeign ? (
        <>
          <pre class="traceback">{[task.args_repr, task.kwargs_repr].filter(Boolean).join("\n") || "–"}</pre>
          <p class="muted">{WORDS.cut}</p>
        </>
      ) : (
        <>
          {hasArgs && <JsonView label="args" value={task.task_args} />}
          {hasKwargs && <JsonView label="kwargs" value={task.task_kwargs} />}
          {!hasArgs && !hasKwargs && <p class="muted">{WORDS.noArgs}</p>}
        </>
      )}
    </Section>
  );
}

export function Outcome({ task }: { task: Task }) {
  const isFailure = task.error !== null || task.traceback !== null;
  if (isFailure && task.status !== "COMPLETED")
    return (
      <Section
        title={WORDS.error}
        actions={
          task.traceback && (
            <button
              type="button"
              class="icon-button small"
              aria-label="Copy traceback"
              onClick={() => copy(task.traceback!)}
            >
              <Icon name="copy" />
            </button>
          )
        }
      >
        {task.error && <p class="task-error">{task.error}</p>}
        {task.traceback && <Traceback text={task.traceback} />}
      </Section>
    );
  if (task.status !== "COMPLETED") return null;
  return (
    <Section title={WORDS.result}>
      {task.result_pending ? (
        <p class="muted">{WORDS.resultPending}</p>
      ) : task.result_truncated ? (
        <p class="muted">{WORDS.resultTruncated}</p>
      ) : task.result_repr !== null ? (
        <>
          <pre class="traceback">{task.result_repr}</pre>
          <p class="muted">{WORDS.cut}</p>
        </>
      ) : (
        <JsonView label="result" value={task.result} />
      )}
    </Section>
  );
}

/** Lines of libraries are pale, so that one's own stand out; nothing is left out. */
function Traceback({ text }: { text: string }) {
  let isLibrary = false;
  return (
    // What scrolls can be scrolled by keys.
    <pre class="traceback" tabIndex={0} role="group" aria-label={WORDS.traceback}>
      {text
        .trimEnd()
        .split("\n")
        .map((line, index) => {
          if (/^\s*File "/.test(line)) isLibrary = /site-packages|[/\\]lib[/\\]python/.test(line);
          else if (/^\S/.test(line)) isLibrary = false;
          return (
            <span key={index} class={isLibrary ? "muted" : undefined}>
              {line}
              {"\n"}
            </span>
          );
        })}
    </pre>
  );
}

const FIRST = 12;

export function Events({ timeline }: { timeline: Timeline }) {
  const [isWhole, setWhole] = useState(false);
  const shown = isWhole ? timeline.events : timeline.events.slice(0, FIRST);
  const rest = timeline.events.length - shown.length;
  const start = timeline.events[0]?.timestamp;
  return (
    <Section title={WORDS.events} note={count(timeline.events.length)} flush>
      <table class="task-events">
        <thead class="sr">
          <tr>
            <th scope="col">time</th>
            <th scope="col">after</th>
            <th scope="col">event</th>
            <th scope="col">details</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((event, index) => (
            <tr key={index}>
              <td>
                <Time at={event.timestamp} />
              </td>
              <td class="num muted">
                {start && index > 0
                  ? `+${duration((Date.parse(event.timestamp) - Date.parse(start)) / 1000)}`
                  : ""}
              </td>
              <th scope="row">{event.event_type.replaceAll("_", " ")}</th>
              <td class="task-details">
                <Details of={event.details} own={timeline.task_id} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {rest > 0 && (
        <button type="button" class="link" onClick={() => setWhole(true)}>
          {count(rest)} more
        </button>
      )}
      {timeline.events_left_out > 0 && (
        <p class="muted">{count(timeline.events_left_out)} later ones were not kept.</p>
      )}
    </Section>
  );
}
