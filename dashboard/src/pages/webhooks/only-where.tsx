// Which changes a webhook is told of those whose type it asks for: all that is given must hold.
import { Checks, type Form, numberOf, TextField, type Values } from "../../parts/form.tsx";
import type { Webhook } from "./types.ts";

const STATUSES = ["PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"] as const;

export interface Filters extends Values {
  task_name: string;
  queue_name: string;
  error: string;
  min_duration: string;
  max_duration: string;
  status: readonly string[];
}

/** Return the fields as the webhook is. */
export function filtersOf(webhook: Webhook | undefined): Filters {
  const given = webhook?.filters ?? {};
  const text = (name: string) => String(given[name] ?? "");
  return {
    task_name: text("task_name"),
    queue_name: text("queue_name"),
    error: text("error"),
    min_duration: text("min_duration"),
    max_duration: text("max_duration"),
    status: (given.status ?? []) as readonly string[],
  };
}

/** Return what is sent of the fields; a filter that they do not have stays as it was. */
export function filtersFrom(values: Filters, webhook: Webhook | undefined): Record<string, unknown> {
  const kept = webhook?.filters.task_id;
  const wanted = {
    task_id: kept,
    task_name: values.task_name.trim(),
    queue_name: values.queue_name.trim(),
    error: values.error.trim(),
    min_duration: numberOf(values.min_duration),
    max_duration: numberOf(values.max_duration),
    status: values.status.length > 0 ? values.status : null,
  };
  return Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== "" && value != null));
}

export function OnlyWhere<V extends Filters>({ form, isOpen }: { form: Form<V>; isOpen: boolean }) {
  return (
    <details open={isOpen}>
      <summary>Only some tasks</summary>
      <div class="form-row">
        <TextField form={form} name="task_name" label="Name" mono placeholder="all" />
        <TextField form={form} name="queue_name" label="Queue" mono placeholder="all" />
        <TextField form={form} name="error" label="Error has" mono placeholder="anything" />
      </div>
      <div class="form-row">
        <TextField
          form={form}
          name="min_duration"
          label="Ran for at least"
          unit="seconds"
          inputMode="decimal"
        />
        <TextField
          form={form}
          name="max_duration"
          label="Ran for at most"
          unit="seconds"
          inputMode="decimal"
        />
      </div>
      <Checks
        form={form}
        name="status"
        label="Status"
        hint="None chosen: all. A change that carries none of what is asked for is not sent."
        options={STATUSES.map((status) => [status, status.toLowerCase()] as const)}
      />
    </details>
  );
}
