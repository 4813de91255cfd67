// The fields of a task that may be given: each says below it what the API found wrong with it.
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { useData } from "../../api/query.ts";
import { may } from "../../api/session.ts";
import { Combobox } from "../../parts/combobox.tsx";
import { zoneWord } from "../../parts/time.tsx";

/** The form of a page that submits: by its button, by Enter in a field, and by Ctrl Enter anywhere in it. */
export function SubmitForm({ onSubmit, children }: { onSubmit: () => unknown; children: ComponentChildren }) {
  const submit = (event: Event) => {
    event.preventDefault();
    onSubmit();
  };
  return (
    <form
      class="submit-form"
      noValidate
      onSubmit={submit}
      onKeyDown={(event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && submit(event)}
    >
      {children}
    </form>
  );
}

/** A field with its name above, and a line below. */
export function Field({
  label,
  note,
  error,
  children,
}: {
  label: string;
  note?: string;
  error?: string;
  children: (id: string, described: string) => ComponentChildren;
}) {
  const id = useId();
  return (
    <div class="labelled">
      <label for={id}>{label}</label>
      {children(id, `${id}-said`)}
      <small id={`${id}-said`} class={error ? "field-error" : undefined}>
        {error ?? note ?? ""}
      </small>
    </div>
  );
}

/** A name of which those that are known are suggested; others may be written. */
export function NameField({
  label,
  of,
  value,
  onInput,
  error,
  note,
  autoFocus,
}: {
  label: string;
  of: "task_name" | "queue_name";
  value: string;
  onInput: (text: string) => void;
  error?: string;
  note?: string;
  autoFocus?: boolean;
}) {
  const found = useData<{ data: string[] }>(may("read") ? "/search/suggestions" : null, {
    query: { field: of, prefix: value, limit: 10 },
  });
  const options = (found.value?.data ?? []).filter((name) => name !== value).map((name) => ({ value: name }));
  return (
    <div class="labelled">
      <span>{label}</span>
      <Combobox
        label={label}
        value={value}
        onInput={onInput}
        onChoose={(option) => onInput(option.value)}
        options={options}
        autoFocus={autoFocus}
      />
      <small class={error ? "field-error" : undefined}>{error ?? note ?? ""}</small>
    </div>
  );
}

export interface Extras {
  priority: string;
  max_retries: string;
  timeout_seconds: string;
  scheduled_at: string;
}

const NUMBERS: readonly {
  name: "priority" | "max_retries" | "timeout_seconds";
  label: string;
  note: string;
  from: number;
  to: number;
}[] = [
  { name: "priority", label: "Priority", note: "1 to 10, 10 first; 5 if empty", from: 1, to: 10 },
  { name: "max_retries", label: "Retries", note: "At most; the task's own if empty", from: 0, to: 100 },
  {
    name: "timeout_seconds",
    label: "Limit in seconds",
    note: "Of one run; none if empty",
    from: 1,
    to: 86_400,
  },
];

export function ExtraFields({
  values,
  onChange,
  errorOf,
}: {
  values: Extras;
  onChange: (changes: Partial<Extras>) => void;
  errorOf: (field: string) => string | undefined;
}) {
  return (
    <>
      {NUMBERS.map((field) => (
        <Field key={field.name} label={field.label} note={field.note} error={errorOf(field.name)}>
          {(id, described) => (
            <input
              id={id}
              class="field num"
              type="number"
              min={field.from}
              max={field.to}
              aria-describedby={described}
              aria-invalid={errorOf(field.name) ? true : undefined}
              value={values[field.name]}
              onInput={(event) => onChange({ [field.name]: event.currentTarget.value })}
            />
          )}
        </Field>
      ))}
      <Field
        label="Not before"
        note={`In ${zoneWord.value}; at once if empty`}
        error={errorOf("scheduled_at")}
      >
        {(id, described) => (
          <input
            id={id}
            class="field num"
            type="datetime-local"
            aria-describedby={described}
            aria-invalid={errorOf("scheduled_at") ? true : undefined}
            value={values.scheduled_at}
            onInput={(event) => onChange({ scheduled_at: event.currentTarget.value })}
          />
        )}
      </Field>
    </>
  );
}
