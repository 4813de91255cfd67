// Holding a queue or a name back for a while, by a mark; and letting it go again.
import { useState } from "preact/hooks";
import { call, reasonHeaders } from "../api/client.ts";
import { renew } from "../api/query.ts";
import { mayMark } from "../api/session.ts";
import { ActionButton, act } from "./actions.tsx";
import { Choice, FormDialog, TextField } from "./form.tsx";
import { Icon } from "./icons.tsx";
import { say } from "./toasts.tsx";

const TIMES = [
  ["900", "15 minutes"],
  ["3600", "1 hour"],
  ["14400", "4 hours"],
  ["86400", "24 hours"],
] as const;

/** Asks for how long what is submitted to a queue, or under a name, is held back, and why. `service`: as a mark names it. */
export function HoldBack({ service, name }: { service: string; name: string }) {
  const [isAsking, setAsking] = useState(false);
  if (!mayMark()) return null;
  return (
    <>
      <button type="button" class="button" aria-haspopup="dialog" onClick={() => setAsking(true)}>
        Hold back…
      </button>
      {isAsking && <AskHold service={service} name={name} onClose={() => setAsking(false)} />}
    </>
  );
}

function AskHold({ service, name, onClose }: { service: string; name: string; onClose: () => void }) {
  const isName = service.startsWith("task:");
  return (
    <FormDialog
      title={`Hold back ${name}?`}
      verb="Hold back"
      initial={{ why: "", seconds: "900" }}
      onClose={onClose}
      onSubmit={async ({ why, seconds }) => {
        await call("POST", "/resilience/degradation/mark", {
          body: { service_name: service, strategy: "queue_only", duration_seconds: Number(seconds) },
          headers: reasonHeaders(why),
        });
        const words = TIMES.find(([each]) => each === seconds)![1];
        say(`${isName ? `All tasks named ${name} are` : `${name} is`} held back for ${words}.`, {
          tone: "completed",
        });
        renew("all");
      }}
    >
      {(form) => (
        <>
          <p class="muted">
            {isName
              ? `Holds back all tasks named ${name}, also those that would succeed.`
              : `Holds back all that is submitted to ${name}; what the broker has already still runs.`}
          </p>
          <TextField
            form={form}
            name="why"
            label="Reason"
            maxLength={200}
            hint="May be left empty. It is shown beside what is held back, and the audit keeps it."
          />
          <Choice form={form} name="seconds" label="For" options={TIMES} />
        </>
      )}
    </FormDialog>
  );
}

const CLEAR = "/resilience/degradation/clear";

/** The button that takes the mark of a hand away. */
export function LetGo({ service, name }: { service: string; name: string }) {
  if (!mayMark()) return null;
  const body = { service_name: service };
  return (
    <ActionButton
      needs="operate"
      primary
      command={{ method: "POST", path: CLEAR, body }}
      onClick={() => act("POST", CLEAR, { body, done: `${name} goes on.`, topics: ["all"] })}
    >
      <Icon name="play" /> Let go again
    </ActionButton>
  );
}
