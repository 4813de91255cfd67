// Holding a queue or a name back for a while, by a mark; and letting it go again.
import { useState } from "preact/hooks";
import { reasonHeaders } from "../api/client.ts";
import { mayMark } from "../api/session.ts";
import { ActionButton, act } from "./actions.tsx";
import { Dialog } from "./dialog.tsx";
import { Icon } from "./icons.tsx";
import { Select } from "./select.tsx";

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
  const [seconds, setSeconds] = useState("900");
  const [why, setWhy] = useState("");
  const [isBusy, setBusy] = useState(false);
  const isName = service.startsWith("task:");
  const send = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    const words = TIMES.find(([each]) => each === seconds)![1];
    const done = await act("POST", "/resilience/degradation/mark", {
      body: { service_name: service, strategy: "queue_only", duration_seconds: Number(seconds) },
      headers: reasonHeaders(why),
      done: `${isName ? `All tasks named ${name} are` : `${name} is`} held back for ${words}.`,
      topics: ["all"],
    });
    if (done) onClose();
    else setBusy(false);
  };
  return (
    <Dialog
      title={`Hold back ${name}?`}
      onClose={onClose}
      footer={
        <>
          <span class="spacer" />
          <button type="button" class="button" onClick={onClose}>
            Back
          </button>
          <button type="submit" form="hold" class="button primary" disabled={isBusy}>
            Hold back
          </button>
        </>
      }
    >
      <form id="hold" class="hold-form" onSubmit={send}>
        <p class="muted">
          {isName
            ? `Holds back all tasks named ${name}, also those that would succeed.`
            : `Holds back all that is submitted to ${name}; what the broker has already still runs.`}
        </p>
        <label class="labelled">
          Reason
          <input
            class="field"
            autoComplete="off"
            maxLength={200}
            value={why}
            onInput={(event) => setWhy(event.currentTarget.value)}
          />
          <small>May be left empty. It is shown beside what is held back, and the audit keeps it.</small>
        </label>
        <label class="labelled">
          For
          <Select value={seconds} options={TIMES} onChoose={setSeconds} />
        </label>
      </form>
    </Dialog>
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
