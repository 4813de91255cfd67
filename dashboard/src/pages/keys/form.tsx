// The form of a key: to make one, or to change it.
import { useData } from "../../api/query.ts";
import type { Page as Rows } from "../../api/types.ts";
import { plural } from "../../logic/format.ts";
import { Checks, FormDialog, listOf, numberOf, TextField } from "../../parts/form.tsx";
import { Icon } from "../../parts/icons.tsx";
import { type Key, SCOPES } from "./types.ts";
import { WORDS } from "./words.ts";

export function KeyForm({
  known,
  isFirst,
  onSubmit,
  onClose,
}: {
  /** The key that is changed; without it, one is made. */
  known?: Key;
  /** Nobody is asked for a key yet: this one closes the door, and needs admin. */
  isFirst?: boolean;
  onSubmit: (wanted: Record<string, unknown>) => Promise<unknown>;
  onClose: () => void;
}) {
  const lines = (words: readonly string[] | undefined) => (words ?? []).join("\n");
  return (
    <FormDialog
      title={known ? WORDS.change : isFirst ? WORDS.makeFirst : WORDS.make}
      verb={known ? "Save" : isFirst ? WORDS.makeAndClose : WORDS.make}
      wide
      initial={{
        name: known?.name ?? "",
        scopes: (known?.scopes ?? (isFirst ? SCOPES.map(([scope]) => scope) : ["read"])) as readonly string[],
        queues: lines(known?.queues),
        task_names: lines(known?.task_names),
        allowed_networks: lines(known?.allowed_networks),
        expires_at: localOf(known?.expires_at ?? null),
        rate_limit_per_minute: String(known?.rate_limit_per_minute ?? ""),
      }}
      onClose={onClose}
      onSubmit={(values) =>
        onSubmit({
          name: values.name.trim(),
          scopes: values.scopes,
          queues: listOf(values.queues),
          task_names: listOf(values.task_names),
          allowed_networks: listOf(values.allowed_networks),
          expires_at: values.expires_at === "" ? null : new Date(values.expires_at).toISOString(),
          rate_limit_per_minute: numberOf(values.rate_limit_per_minute),
        })
      }
    >
      {(form) => (
        <>
          {isFirst && <DoorCloses />}
          <TextField
            form={form}
            name="name"
            label="Name"
            placeholder="etl"
            hint="Whose it is: it stands in the audit."
          />
          <Checks
            form={form}
            name="scopes"
            label="May"
            hint={isFirst ? WORDS.first : "Each stands for itself."}
            options={SCOPES}
          />
          <div class="form-row">
            <TextField
              form={form}
              name="queues"
              label="Only queues"
              mono
              rows={2}
              placeholder="all"
              hint="One a line; etl.* for all that begin so."
            />
            <TextField
              form={form}
              name="task_names"
              label="Only task names"
              mono
              rows={2}
              placeholder="all"
            />
            <TextField
              form={form}
              name="allowed_networks"
              label="Only from"
              mono
              rows={2}
              placeholder="anywhere"
              hint="10.0.0.0/8"
            />
          </div>
          <div class="form-row">
            <TextField
              form={form}
              name="expires_at"
              label="Ends"
              unit="this browser's time"
              type="datetime-local"
            />
            <TextField
              form={form}
              name="rate_limit_per_minute"
              label="At most"
              unit="requests a minute"
              inputMode="numeric"
              placeholder="no limit"
            />
          </div>
        </>
      )}
    </FormDialog>
  );
}

/** What the first key does to all who come without one, and how many tasks of theirs came lately. */
function DoorCloses() {
  const came = useData<Rows<unknown>>("/tasks", {
    query: { submitted_by: "local", created_after: "-1h", limit: 1, rows: "data" },
    every: 15_000,
  }).value;
  return (
    <div class="note" data-tone="failed" role="note">
      <Icon name="warning" />
      <div>
        <p>
          <b>{WORDS.closes}</b> {WORDS.closesText}
        </p>
        {came && came.total > 0 && (
          <p>
            <b>
              {plural(came.total, "task was", "tasks were", came.total_is_exact)} {WORDS.came}
            </b>{" "}
            {WORDS.cameText}
          </p>
        )}
      </div>
    </div>
  );
}

/** A time as a field of the browser takes it. */
function localOf(text: string | null): string {
  if (text === null) return "";
  const at = new Date(text);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
