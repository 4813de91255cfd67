// The forms of channels and routes.
import { ADVISED, adviceFor } from "../../logic/advice.ts";
import { Check, Checks, FormDialog, listOf, numberOf, TextField } from "../../parts/form.tsx";
import type { Channel, Route } from "./types.ts";
import { WORDS } from "./words.ts";

type Send = (wanted: Record<string, unknown>) => Promise<unknown>;

export function ChannelForm({
  known,
  onSubmit,
  onClose,
}: {
  known?: Channel;
  onSubmit: Send;
  onClose: () => void;
}) {
  return (
    <FormDialog
      title={known ? "Change the channel" : WORDS.makeChannel}
      verb={known ? "Save" : WORDS.makeChannel}
      initial={{ name: known?.name ?? "", url: "" }}
      onClose={onClose}
      onSubmit={(values) =>
        onSubmit({
          name: values.name.trim(),
          ...(known && values.url.trim() === "" ? {} : { url: values.url.trim() }),
        })
      }
    >
      {(form) => (
        <>
          <TextField form={form} name="name" label="Name" placeholder="on-call" />
          <TextField
            form={form}
            name="url"
            label="URL of Apprise"
            mono
            rows={2}
            placeholder={known ? known.url : "mailtos://user:password@example.com?to=ops@example.com"}
            hint={
              known
                ? "Left empty, it stays: it is a secret, and no answer holds it."
                : "It is a secret: no answer ever holds it. docs/notifications.md lists the services. Nothing is sent yet: test it afterwards."
            }
          />
        </>
      )}
    </FormDialog>
  );
}

export function RouteForm({
  known,
  channels,
  onSubmit,
  onClose,
}: {
  known?: Route;
  channels: readonly Channel[];
  onSubmit: Send;
  onClose: () => void;
}) {
  return (
    <FormDialog
      title={known ? "Change the route" : WORDS.makeRoute}
      verb={known ? "Save" : WORDS.makeRoute}
      wide
      initial={{
        name: known?.name ?? "",
        channel_ids: (known?.channel_ids ??
          channels.slice(0, 1).map((one) => one.channel_id)) as readonly string[],
        severities: (known?.severities ?? []) as readonly string[],
        alert_types: (known?.alert_types ?? []) as readonly string[],
        subjects: (known?.subjects ?? []).join("\n"),
        group_seconds: String(known?.group_seconds ?? ""),
        repeat_seconds: String(known ? (known.repeat_seconds ?? "") : "14400"),
        send_resolved: known?.send_resolved ?? true,
      }}
      onClose={onClose}
      onSubmit={(values) => {
        const group = numberOf(values.group_seconds);
        return onSubmit({
          name: values.name.trim(),
          channel_ids: values.channel_ids,
          severities: values.severities,
          alert_types: values.alert_types,
          subjects: listOf(values.subjects),
          repeat_seconds: numberOf(values.repeat_seconds),
          send_resolved: values.send_resolved,
          ...(group === null ? {} : { group_seconds: group }),
        });
      }}
    >
      {(form) => (
        <>
          <TextField form={form} name="name" label="Name" placeholder="night shift" />
          <Checks
            form={form}
            name="channel_ids"
            label="Leads to"
            options={channels.map((one) => [one.channel_id, one.name, one.url] as const)}
          />
          <div class="form-row">
            <Checks
              form={form}
              name="severities"
              label="How grave"
              hint="None chosen: all."
              options={[
                ["CRITICAL", "critical"],
                ["WARNING", "warning"],
                ["INFO", "info"],
              ]}
            />
            <TextField
              form={form}
              name="subjects"
              label="Only subjects"
              mono
              rows={3}
              placeholder="all"
              hint="One a line; etl.* for all that begin so."
            />
          </div>
          <details>
            <summary>Only some kinds of alerts</summary>
            <Checks
              form={form}
              name="alert_types"
              label="Kinds"
              hint="None chosen: all."
              options={ADVISED.map((type) => [type, adviceFor({ type, subject: null }).name] as const)}
            />
          </details>
          <div class="form-row">
            <TextField
              form={form}
              name="group_seconds"
              label="Together within"
              unit="seconds"
              inputMode="numeric"
              placeholder="as usual"
            />
            <TextField
              form={form}
              name="repeat_seconds"
              label="Again after"
              unit="seconds"
              inputMode="numeric"
              placeholder="never"
            />
          </div>
          <Check form={form} name="send_resolved" label="Also tell that it is over" />
        </>
      )}
    </FormDialog>
  );
}
