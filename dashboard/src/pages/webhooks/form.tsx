// The form of a webhook: to make one, or to change it.
import { useData } from "../../api/query.ts";
import { Dialog } from "../../parts/dialog.tsx";
import { Check, Choice, FormDialog, numberOf, TextField } from "../../parts/form.tsx";
import { Shown } from "../../parts/states.tsx";
import { ChooseEvents, type EventType, eventsFrom, wantedOf } from "./events.tsx";
import { filtersFrom, filtersOf, OnlyWhere } from "./only-where.tsx";
import type { Webhook } from "./types.ts";
import { WORDS } from "./words.ts";

/** What is sent to the API of what was typed. */
export type Wanted = Record<string, unknown>;

interface FormProps {
  /** The one that is changed; without it, one is made. */
  webhook?: Webhook;
  onSubmit: (wanted: Wanted) => Promise<unknown>;
  onClose: () => void;
}

export function WebhookForm(props: FormProps) {
  const types = useData<{ data: EventType[] }>("/webhooks/event-types");
  if (types.value) return <FormOf {...props} types={types.value.data} />;
  return (
    <Dialog title={props.webhook ? WORDS.change : WORDS.make} wide onClose={props.onClose}>
      <Shown data={types}>{() => null}</Shown>
    </Dialog>
  );
}

function FormOf({ webhook, types, onSubmit, onClose }: FormProps & { types: readonly EventType[] }) {
  return (
    <FormDialog
      title={webhook ? WORDS.change : WORDS.make}
      verb={webhook ? "Save" : WORDS.make}
      wide
      initial={{
        url: "",
        description: webhook?.description ?? "",
        ...wantedOf(webhook?.events ?? ["task.failed", "alert.*"], types),
        payload: webhook?.payload ?? "thin",
        format: webhook?.format ?? "standard",
        ordering: webhook?.ordering ?? "none",
        rate_per_second: String(webhook?.rate_per_second ?? ""),
        max_in_flight: String(webhook?.max_in_flight ?? ""),
        enabled: webhook?.enabled ?? true,
        ...filtersOf(webhook),
      }}
      onClose={onClose}
      onSubmit={(values) => {
        const inFlight = numberOf(values.max_in_flight);
        return onSubmit({
          ...(values.url.trim() !== "" || !webhook ? { url: values.url.trim() } : {}),
          description: values.description,
          events: eventsFrom(values),
          filters: filtersFrom(values, webhook),
          payload: values.payload,
          format: values.format,
          ordering: values.ordering,
          rate_per_second: numberOf(values.rate_per_second),
          ...(inFlight === null ? {} : { max_in_flight: inFlight }),
          ...(webhook ? {} : { enabled: values.enabled }),
        });
      }}
    >
      {(form) => (
        <>
          <TextField
            form={form}
            name="url"
            label="URL"
            mono
            inputMode="url"
            placeholder={webhook ? webhook.url : "https:// …"}
            hint={webhook ? "Left empty, it stays: its query is a secret and is not shown." : undefined}
          />
          <TextField form={form} name="description" label="What it is for" />
          <ChooseEvents form={form} types={types} />
          <OnlyWhere form={form} isOpen={Object.keys(webhook?.filters ?? {}).length > 0} />
          <div class="form-row">
            <Choice
              form={form}
              name="payload"
              label="Tells"
              options={[
                ["thin", "what changed"],
                ["full", "arguments and result as well"],
              ]}
            />
            <Choice
              form={form}
              name="format"
              label="Envelope"
              options={[
                ["standard", "Standard Webhooks"],
                ["cloudevents", "CloudEvents 1.0"],
              ]}
            />
            <Choice
              form={form}
              name="ordering"
              label="Order"
              options={[
                ["none", "none"],
                ["subject", "by subject"],
              ]}
            />
          </div>
          <div class="form-row">
            <TextField
              form={form}
              name="rate_per_second"
              label="At most"
              unit="a second"
              inputMode="numeric"
              placeholder="no limit"
            />
            <TextField
              form={form}
              name="max_in_flight"
              label="At once"
              unit="deliveries"
              inputMode="numeric"
              placeholder="as usual"
            />
          </div>
          {!webhook && <Check form={form} name="enabled" label="Begin at once" />}
        </>
      )}
    </FormDialog>
  );
}
