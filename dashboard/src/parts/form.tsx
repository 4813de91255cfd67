// Forms in dialogs: what was refused stands at its field, and what was typed stays.
import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { awaySince } from "../api/client.ts";
import { ApiError } from "../api/errors.ts";
import { Dialog } from "./dialog.tsx";
import { Select } from "./select.tsx";
import { ErrorBox } from "./states.tsx";

export type Values = Record<string, string | boolean | readonly string[]>;

export interface Form<V extends Values> {
  values: V;
  set: (changes: Partial<V>) => void;
  /** What the API refuses in a field; undefined where nothing. */
  flawOf: (name: string) => string | undefined;
}

/** A dialog with fields. `onSubmit` throws what was refused; else the dialog closes. */
export function FormDialog<V extends Values>({
  title,
  verb,
  initial,
  onSubmit,
  onClose,
  wide,
  children,
}: {
  title: string;
  verb: string;
  initial: V;
  onSubmit: (values: V) => Promise<unknown>;
  onClose: () => void;
  wide?: boolean;
  children: (form: Form<V>) => ComponentChildren;
}) {
  const id = useId();
  const [values, setValues] = useState(initial);
  const [error, setError] = useState<Error | null>(null);
  const [isBusy, setBusy] = useState(false);
  const flaws = error instanceof ApiError ? error.errors : [];
  const form: Form<V> = {
    values,
    set: (changes) => setValues((was) => ({ ...was, ...changes })),
    flawOf: (name) => flaws.find((flaw) => flaw.field.split(".").includes(name))?.message,
  };
  const isAtFields = flaws.length > 0 && flaws.every((flaw) => isKnown(flaw.field, values));
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await onSubmit(values);
      onClose();
    } catch (reason) {
      setError(reason as Error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={title}
      onClose={onClose}
      wide={wide}
      footer={
        <>
          <span class="spacer" />
          <button type="button" class="button" onClick={onClose}>
            Back
          </button>
          <button
            type="submit"
            form={id}
            class="button primary"
            disabled={isBusy || awaySince.value !== null}
            aria-busy={isBusy}
          >
            {verb}
          </button>
        </>
      }
    >
      <form id={id} class="form" onSubmit={submit} noValidate>
        {children(form)}
        {error && !isAtFields && <ErrorBox error={error} />}
      </form>
    </Dialog>
  );
}

const isKnown = (field: string, values: Values): boolean => field.split(".").some((part) => part in values);

interface FieldProps<V extends Values> {
  form: Form<V>;
  name: keyof V & string;
  label: string;
  hint?: ComponentChildren;
}

/** A line of text; with `rows`, several. */
export function TextField<V extends Values>({
  form,
  name,
  label,
  hint,
  unit,
  ...field
}: FieldProps<V> & {
  unit?: string;
  rows?: number;
  mono?: boolean;
  placeholder?: string;
  maxLength?: number;
  inputMode?: "numeric" | "decimal" | "url";
  type?: "text" | "password" | "datetime-local";
}) {
  const id = useId();
  const flaw = form.flawOf(name);
  const shared = {
    id: `${id}-field`,
    class: field.mono ? "field mono" : "field",
    value: form.values[name] as string,
    placeholder: field.placeholder,
    maxLength: field.maxLength,
    spellcheck: false,
    autocomplete: "off" as const,
    "aria-invalid": flaw ? true : undefined,
    "aria-describedby": hint || flaw ? id : undefined,
    onInput: (event: { currentTarget: HTMLInputElement | HTMLTextAreaElement }) =>
      form.set({ [name]: event.currentTarget.value } as Partial<V>),
  };
  return (
    <div class="labelled">
      <label for={`${id}-field`}>
        {label}
        {unit && <span class="muted form-unit"> {unit}</span>}
      </label>
      {field.rows ? (
        <textarea {...shared} rows={field.rows} />
      ) : (
        <input {...shared} type={field.type ?? "text"} inputMode={field.inputMode} />
      )}
      <Said id={id} hint={hint} flaw={flaw} />
    </div>
  );
}

/** One of some. */
export function Choice<V extends Values>({
  form,
  name,
  label,
  hint,
  options,
}: FieldProps<V> & { options: readonly (readonly [value: string, label: string])[] }) {
  const id = useId();
  const flaw = form.flawOf(name);
  return (
    <div class="labelled">
      <label for={`${id}-field`}>{label}</label>
      <Select
        id={`${id}-field`}
        value={form.values[name] as string}
        options={options}
        aria-describedby={hint || flaw ? id : undefined}
        onChoose={(value) => form.set({ [name]: value } as Partial<V>)}
      />
      <Said id={id} hint={hint} flaw={flaw} />
    </div>
  );
}

/** Yes or no. */
export function Check<V extends Values>({ form, name, label, hint }: FieldProps<V>) {
  return (
    <label class="form-check">
      <input
        type="checkbox"
        checked={form.values[name] as boolean}
        onChange={(event) => form.set({ [name]: event.currentTarget.checked } as Partial<V>)}
      />
      <span>
        {label}
        {hint && <small class="muted">{hint}</small>}
      </span>
    </label>
  );
}

/** Some of some. */
export function Checks<V extends Values>({
  form,
  name,
  label,
  hint,
  options,
}: FieldProps<V> & {
  options: readonly (readonly [value: string, label: string, hint?: string])[];
}) {
  const chosen = form.values[name] as readonly string[];
  const flaw = form.flawOf(name);
  return (
    <fieldset class="form-checks">
      <legend>{label}</legend>
      {hint && <small class="muted">{hint}</small>}
      {options.map(([value, text, more]) => (
        <label key={value} class="form-check">
          <input
            type="checkbox"
            checked={chosen.includes(value)}
            onChange={(event) =>
              form.set({
                [name]: event.currentTarget.checked
                  ? [...chosen, value]
                  : chosen.filter((one) => one !== value),
              } as unknown as Partial<V>)
            }
          />
          <span>
            {text}
            {more && <small class="muted">{more}</small>}
          </span>
        </label>
      ))}
      {flaw && <span class="field-error">{flaw}</span>}
    </fieldset>
  );
}

function Said({ id, hint, flaw }: { id: string; hint?: ComponentChildren; flaw?: string }) {
  if (!hint && !flaw) return null;
  return (
    <span id={id}>
      {flaw && <span class="field-error">{flaw}</span>}
      {hint && !flaw && <small>{hint}</small>}
    </span>
  );
}

/** Return the words of a text that stand on lines or between commas. */
export const listOf = (text: string): string[] =>
  text
    .split(/[\n,]/)
    .map((word) => word.trim())
    .filter(Boolean);

/** Return the number that was typed; null for nothing. What is no number goes to the API as it is, which says so. */
export function numberOf(text: string): number | string | null {
  const plain = text.trim();
  if (plain === "") return null;
  const number = Number(plain);
  return Number.isNaN(number) ? plain : number;
}
