// Sending again: deliveries that have failed, or what never became one while the webhook was off.
import { call } from "../../api/client.ts";
import { plural } from "../../logic/format.ts";
import { Choice, FormDialog } from "../../parts/form.tsx";
import { say } from "../../parts/toasts.tsx";
import { WORDS } from "./words.ts";

interface Recovery {
  /** null where the feed is read again. */
  count: number | null;
  has_more: boolean;
}

const SINCE = [
  ["-1h", "the last hour"],
  ["-6h", "the last 6 hours"],
  ["-24h", "the last 24 hours"],
  ["-7d", "the last 7 days"],
] as const;

export function Recover({ path, onClose }: { path: string; onClose: () => void }) {
  return (
    <FormDialog
      title={WORDS.recover}
      verb={WORDS.recoverVerb}
      initial={{ status: "FAILED", after: "-24h" }}
      onClose={onClose}
      onSubmit={async (values) =>
        say(saidOf(await call<Recovery>("POST", `${path}/recover`, { body: values })), { tone: "completed" })
      }
    >
      {(form) => (
        <>
          <Choice
            form={form}
            name="status"
            label="What"
            hint={form.values.status === "MISSED" ? WORDS.missedWhy : WORDS.failedWhy}
            options={[
              ["FAILED", "deliveries that have failed"],
              ["MISSED", "what was missed while it was off"],
            ]}
          />
          <Choice form={form} name="after" label="Of" options={SINCE} />
        </>
      )}
    </FormDialog>
  );
}

function saidOf(answer: Recovery): string {
  if (answer.count === null) return "What was missed is looked for, and sent as it is found";
  const more = answer.has_more ? "; there are more: ask again" : "";
  return `${plural(answer.count, "delivery is", "deliveries are")} sent again${more}`;
}
