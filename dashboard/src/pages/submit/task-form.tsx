// The form of a task: a new one, or an old one again with changes.
import { useState } from "preact/hooks";
import { awaySince, segment } from "../../api/client.ts";
import { writeExact } from "../../api/json.ts";
import { parseDraft, timeOfField } from "../../logic/draft.ts";
import { type Difference, differences } from "../../logic/patch.ts";
import { asCurl, copy } from "../../parts/copy.tsx";
import { Icon } from "../../parts/icons.tsx";
import { Section } from "../../parts/page.tsx";
import { ErrorBox } from "../../parts/states.tsx";
import { say } from "../../parts/toasts.tsx";
import { go } from "../../router.ts";
import { zone } from "../../settings.ts";
import type { Task } from "../task/types.ts";
import { givenFields, useAddress } from "./address.ts";
import { Changes } from "./changes.tsx";
import { JsonField } from "./editor.tsx";
import { ExtraFields, type Extras, NameField, SubmitForm } from "./fields.tsx";
import { useSending } from "./sending.ts";
import { WORDS } from "./words.ts";

const FIELDS = [
  "task_name",
  "task_args",
  "task_kwargs",
  "queue_name",
  "priority",
  "max_retries",
  "timeout_seconds",
  "scheduled_at",
];
/** Where a focus would bring up a keyboard over half of the page. */
const onPhone = matchMedia("(max-width: 640px)").matches;
const MASK = "[masked]";
const BLANK: Extras = { priority: "", max_retries: "", timeout_seconds: "", scheduled_at: "" };

interface Made {
  task_id: string;
  message: string | null;
}

export function TaskForm({ original }: { original?: Task }) {
  const sending = useSending();
  const [given] = useState(givenFields);
  const usual = { queue_name: original?.queue_name ?? "", ...(original ? extrasOf(original) : BLANK) };
  const written = (value: unknown, empty: string) => (value ? writeExact(value, 2) : empty);
  const [taskName, setTaskName] = useState(original?.task_name ?? given.task_name ?? "");
  const [queue, setQueue] = useState(given.queue_name ?? usual.queue_name);
  const [args, setArgs] = useState(written(original?.task_args, "[]"));
  const [kwargs, setKwargs] = useState(written(original?.task_kwargs, "{}"));
  const [extras, setExtras] = useState<Extras>({ ...usual, ...given });
  useAddress(
    { ...extras, task_name: taskName, queue_name: queue },
    { ...usual, task_name: original?.task_name ?? "" },
  );
  const readArgs = parseDraft(args, "array");
  const readKwargs = parseDraft(kwargs, "object");
  const isSound = !readArgs.problem && !readKwargs.problem && taskName.trim() !== "";

  const whole = {
    task_name: taskName.trim(),
    task_args: readArgs.value,
    task_kwargs: readKwargs.value,
    ...(queue.trim() && { queue_name: queue.trim() }),
    ...numbersOf(extras),
  };
  const changes = original && isSound ? changesOf(original, whole, extras) : [];
  const body = original ? bodyOf(original, whole, extras) : whole;
  const path = original ? `/tasks/${segment(original.task_id)}/replay` : "/tasks";

  const submit = async () => {
    if (!isSound || sending.isBusy) return;
    const made = await sending.send<Made>(path, body);
    if (!made) return;
    say(original ? "Accepted as a new task." : "Accepted.", { tone: "completed" });
    go(`/tasks/${encodeURIComponent(made.task_id)}`);
  };
  const error = sending.rest(FIELDS);
  const isHidden = original !== undefined && (args.includes(MASK) || kwargs.includes(MASK));
  return (
    <SubmitForm onSubmit={submit}>
      <div class="submit-main">
        {!original && (
          <NameField
            label="Task"
            of="task_name"
            value={taskName}
            onInput={setTaskName}
            error={sending.errorOf("task_name")}
            note="Its name in Celery, such as celeriac.wordcount"
            autoFocus={!given.task_name && !onPhone}
          />
        )}
        {original?.task_args === null && (
          <p class="note">
            <Icon name="alert" /> {WORDS.foreign}
          </p>
        )}
        {isHidden && (
          <p class="note">
            <Icon name="alert" /> {WORDS.masked}
          </p>
        )}
        <JsonField
          label="Arguments"
          text={args}
          onInput={setArgs}
          parsed={readArgs}
          error={sending.errorOf("task_args")}
          note="A list, in their order"
        />
        <JsonField
          label="Named arguments"
          text={kwargs}
          onInput={setKwargs}
          parsed={readKwargs}
          error={sending.errorOf("task_kwargs")}
          note="An object, by their names"
        />
      </div>
      <div class="submit-side">
        <div class="submit-extras">
          <NameField
            label="Queue"
            of="queue_name"
            value={queue}
            onInput={setQueue}
            error={sending.errorOf("queue_name")}
            note={original ? "" : "The usual one if empty"}
          />
          <ExtraFields
            values={extras}
            onChange={(change) => setExtras({ ...extras, ...change })}
            errorOf={sending.errorOf}
          />
        </div>
        {original && (
          <Section title={WORDS.changes} flush>
            <Changes of={changes} />
          </Section>
        )}
        {error && <ErrorBox error={error} />}
        <div class="submit-actions">
          <button
            type="submit"
            class="button primary"
            disabled={!isSound || sending.isBusy || awaySince.value !== null}
            aria-busy={sending.isBusy}
          >
            {original ? "Replay" : "Submit"} <kbd>Ctrl Enter</kbd>
          </button>
          <button
            type="button"
            class="button"
            disabled={!isSound}
            onClick={() => copy(asCurl({ method: "POST", path, body }), "Copied as curl")}
          >
            Copy as curl
          </button>
        </div>
      </div>
    </SubmitForm>
  );
}

function extrasOf(task: Task): Extras {
  const text = (value: number | null) => (value === null ? "" : String(value));
  return {
    priority: text(task.priority),
    max_retries: text(task.max_retries),
    timeout_seconds: text(task.timeout_seconds),
    scheduled_at: "",
  };
}

function numbersOf(extras: Extras): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const name of ["priority", "max_retries", "timeout_seconds"] as const)
    if (extras[name] !== "") found[name] = Number(extras[name]);
  const due = timeOfField(extras.scheduled_at, zone.value === "utc");
  if (due) found.scheduled_at = due;
  return found;
}

const PLAIN = ["queue_name", "priority", "max_retries", "timeout_seconds"] as const;

function changesOf(original: Task, whole: Record<string, unknown>, extras: Extras): Difference[] {
  const given = bodyOf(original, whole, extras);
  const found: Difference[] = [];
  for (const name of ["task_args", "task_kwargs"] as const)
    if (name in given) found.push(...differences(original[name], given[name], `/${name}`));
  for (const name of [...PLAIN, "scheduled_at"] as const)
    if (name in given)
      found.push({ op: "replace", path: `/${name}`, old: original[name], value: given[name] });
  return found;
}

/** What is sent: only what differs, so that hidden values stay the true ones. */
function bodyOf(original: Task, whole: Record<string, unknown>, extras: Extras): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const name of ["task_args", "task_kwargs"] as const)
    if (original[name] === null || differences(original[name], whole[name]).length > 0)
      body[name] = whole[name];
  for (const name of PLAIN) if (name in whole && whole[name] !== original[name]) body[name] = whole[name];
  if (original.timeout_seconds !== null && extras.timeout_seconds === "") body.timeout_seconds = null;
  if (whole.scheduled_at) body.scheduled_at = whole.scheduled_at;
  return body;
}
