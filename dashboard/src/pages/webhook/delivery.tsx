// One delivery: its body, and every attempt with the beginning of its answer.
import { segment } from "../../api/client.ts";
import { parseExact } from "../../api/json.ts";
import { useData } from "../../api/query.ts";
import { duration, plural } from "../../logic/format.ts";
import type { Look } from "../../logic/status.ts";
import { ActionButton, act } from "../../parts/actions.tsx";
import { Id } from "../../parts/copy.tsx";
import { Dialog } from "../../parts/dialog.tsx";
import { JsonView } from "../../parts/json.tsx";
import { Facts } from "../../parts/page.tsx";
import { Shown } from "../../parts/states.tsx";
import { Status } from "../../parts/status.tsx";
import { Ago, Time } from "../../parts/time.tsx";
import { WORDS } from "./words.ts";

export interface Delivery {
  delivery_id: string;
  event_id: string;
  type: string;
  subject_id: string;
  status: "PENDING" | "SENDING" | "DELIVERED" | "FAILED" | "DROPPED";
  attempts: number;
  created_at: string;
  next_attempt_at: string | null;
  done_at: string | null;
  last_status_code: number | null;
  last_error: string | null;
  is_test: boolean;
}

export interface Looked extends Delivery {
  body: string;
  tries: {
    attempt_no: number;
    at: string;
    duration_ms: number;
    status_code: number | null;
    error: string | null;
    answer: string;
  }[];
}

const LOOKS: Record<Delivery["status"], Look> = {
  PENDING: { word: "waiting", tone: "waiting", shape: "queued" },
  SENDING: { word: "on its way", tone: "running", shape: "running" },
  DELIVERED: { word: "delivered", tone: "completed", shape: "completed" },
  FAILED: { word: "failed", tone: "failed", shape: "failed" },
  DROPPED: { word: "dropped", tone: "cancelled", shape: "skipped" },
};

export const lookOfDelivery = (delivery: Delivery): Look => LOOKS[delivery.status];

/** `503`, `timeout`; a dash where nothing was answered yet. */
export function answerOf(delivery: { last_status_code: number | null; last_error: string | null }): string {
  if (delivery.last_status_code !== null) return String(delivery.last_status_code);
  return delivery.last_error ?? "–";
}

export function DeliveryDialog({ path, id, onClose }: { path: string; id: string; onClose: () => void }) {
  const own = `${path}/deliveries/${segment(id)}`;
  const delivery = useData<Looked>(own, { every: 3_000 });
  return (
    <Dialog
      title={delivery.value?.type ?? "Delivery"}
      wide
      onClose={onClose}
      footer={
        <>
          <ActionButton
            needs="admin"
            command={{ method: "POST", path: `${own}/retry` }}
            onClick={async () => {
              await act("POST", `${own}/retry`, { done: "It is sent again", topics: [] });
              delivery.refresh();
            }}
          >
            {WORDS.again}
          </ActionButton>
          <span class="spacer" />
          <button type="button" class="button" onClick={onClose}>
            Close
          </button>
        </>
      }
    >
      <Shown data={delivery}>{(shown) => <LookedAt delivery={shown} />}</Shown>
    </Dialog>
  );
}

export function LookedAt({ delivery }: { delivery: Looked }) {
  return (
    <div class="webhook-looked">
      <p>
        <Status look={lookOfDelivery(delivery)} /> {said(delivery)}
      </p>
      <Facts
        of={[
          ["event", <Id key="event" id={delivery.event_id} whole />],
          ["subject", <code key="subject">{delivery.subject_id}</code>],
          ["made", <Time key="made" at={delivery.created_at} />],
          delivery.next_attempt_at !== null && [
            "next attempt",
            <Ago key="next" at={delivery.next_attempt_at} />,
          ],
        ]}
      />
      <h3>{WORDS.attempts}</h3>
      <ol class="webhook-tries">
        {delivery.tries.map((one) => (
          <li key={one.attempt_no}>
            <span class="num muted">{one.attempt_no}</span>
            <span>
              <b class="num">{one.status_code ?? one.error ?? "no answer"}</b>
              {one.status_code !== null && one.error && <span class="muted"> {one.error}</span>}
              {one.answer && <pre class="webhook-answer">{one.answer}</pre>}
            </span>
            <span class="muted num">
              <Time at={one.at} /> · {duration(one.duration_ms / 1000)}
            </span>
          </li>
        ))}
        {delivery.tries.length === 0 && <li class="muted">None yet.</li>}
      </ol>
      <h3>{WORDS.body}</h3>
      <Body text={delivery.body} />
    </div>
  );
}

function said(delivery: Delivery): string {
  const tried = `after ${plural(delivery.attempts, "attempt")}`;
  if (delivery.status === "DELIVERED") return `Taken ${tried}.`;
  if (delivery.status === "FAILED") return `Given up ${tried}: ${answerOf(delivery)}.`;
  if (delivery.status === "DROPPED") return "It is not sent any more.";
  return delivery.attempts === 0 ? "Not tried yet." : `Not taken yet ${tried}: ${answerOf(delivery)}.`;
}

/** The body as a tree; as text where it is no JSON. */
function Body({ text }: { text: string }) {
  try {
    return <JsonView value={parseExact(text)} label="body" />;
  } catch {
    return <pre class="webhook-answer">{text}</pre>;
  }
}
