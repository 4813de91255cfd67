// Marks: what is marked and what that does, what it holds back, and how one is set.
import { call, reasonHeaders } from "../../api/client.ts";
import { renew, useData } from "../../api/query.ts";
import type { HeldRead, Mark } from "../../api/types.ts";
import { count } from "../../logic/format.ts";
import { reasonOf, signatureOf } from "../../logic/holds.ts";
import type { Look } from "../../logic/status.ts";
import { effectOf, nameOfMarked, pathOfService, wordOfMark } from "../../logic/system.ts";
import { ActionButton, act } from "../../parts/actions.tsx";
import { Choice, FormDialog, TextField } from "../../parts/form.tsx";
import { Section } from "../../parts/page.tsx";
import { Shown } from "../../parts/states.tsx";
import { Status } from "../../parts/status.tsx";
import { Ago, clock } from "../../parts/time.tsx";
import { say } from "../../parts/toasts.tsx";
import { href } from "../../router.ts";
import { WORDS } from "./words.ts";

export function Marks({ marks }: { marks: readonly Mark[] }) {
  if (marks.length === 0) return <p class="muted list-more">{WORDS.noMarks}</p>;
  return (
    <ul class="list">
      {marks.map((mark) => (
        <li key={mark.service_name} class="system-part">
          <span class="system-state">
            <Status look={lookOf(mark)} plain />
          </span>
          <Service name={mark.service_name} />
          <span class="muted">
            {effectOf(mark)}
            {signatureOf(mark, clock.value) && `; set${signatureOf(mark, clock.value)}.`}
            {reasonOf(mark)}
          </span>
          <span class="end muted">
            {mark.automatic ? (
              WORDS.breaker
            ) : (
              <>
                ends <Ago at={mark.degraded_until} />
              </>
            )}{" "}
            {!mark.automatic && <Clear service={mark.service_name} />}
          </span>
        </li>
      ))}
    </ul>
  );
}

const lookOf = (mark: Mark): Look =>
  mark.automatic
    ? { word: "fails", tone: "failed", shape: "failed" }
    : { word: wordOfMark(mark), tone: "waiting", shape: "paused", meaning: mark.strategy };

function Service({ name }: { name: string }) {
  const path = pathOfService(name);
  return path ? (
    <a class="quiet system-service" href={href(path)}>
      <b>{nameOfMarked(name)}</b>
    </a>
  ) : (
    <b>{nameOfMarked(name)}</b>
  );
}

function Clear({ service }: { service: string }) {
  const body = { service_name: service };
  const path = "/resilience/degradation/clear";
  return (
    <ActionButton
      needs="operate"
      command={{ method: "POST", path, body }}
      onClick={() => act("POST", path, { body, done: `Over for ${nameOfMarked(service)}.`, topics: ["all"] })}
    >
      {WORDS.clear}
    </ActionButton>
  );
}

const SHOWN = 20;

/** What marks hold back at this moment; nothing is drawn where they hold nothing back. */
export function Held() {
  const held = useData<HeldRead>("/resilience/held", { topics: ["tasks", "queues"], every: 5_000 });
  if (held.value && held.value.total === 0) return null;
  return (
    <Section
      title={WORDS.held}
      note={held.value ? `${count(held.value.total, held.value.is_exact)} ${WORDS.heldNote}` : undefined}
      flush
    >
      <Shown data={held} lines={2} quietAbsence>
        {(shown) => (
          <ul class="list">
            {shown.data.slice(0, SHOWN).map((one) => (
              <li key={`${one.queue_name}\n${one.task_name}`} class="system-held">
                <b class="num">{count(one.count)}</b>
                <span class="clip">
                  <a
                    class="quiet"
                    href={href("/tasks", {
                      phase: "dispatching",
                      queue_name: one.queue_name,
                      task_name: one.task_name,
                    })}
                  >
                    {one.task_name}
                  </a>{" "}
                  <span class="muted">in {one.queue_name}</span>
                </span>
                <span class="muted clip">because of {one.held_by.map(nameOfMarked).join(", ")}</span>
                <span class="end muted">
                  oldest due <Ago at={one.oldest_due_at} />
                </span>
              </li>
            ))}
            {shown.data.length > SHOWN && <li class="muted">and {count(shown.data.length - SHOWN)} more</li>}
          </ul>
        )}
      </Shown>
    </Section>
  );
}

const STRATEGIES = ["queue_only", "return_cached", "fail_fast"].map(
  (strategy) => [strategy, effectOf({ strategy })] as const,
);
const TIMES = [
  ["300", "5 minutes"],
  ["900", "15 minutes"],
  ["3600", "1 hour"],
  ["14400", "4 hours"],
  ["86400", "24 hours"],
] as const;

/** Asks what shall be marked, how, and for how long; what the API refuses lands on its field. */
export function AskMark({ onClose }: { onClose: () => void }) {
  return (
    <FormDialog
      title={WORDS.markTitle}
      verb={WORDS.setIt}
      initial={{ service_name: "", strategy: "queue_only", duration_seconds: "900", why: "" }}
      onClose={onClose}
      onSubmit={async ({ service_name, strategy, duration_seconds, why }) => {
        const name = service_name.trim();
        await call("POST", "/resilience/degradation/mark", {
          body: { service_name: name, strategy, duration_seconds: Number(duration_seconds) },
          headers: reasonHeaders(why),
        });
        say(`Set for ${nameOfMarked(name)}.`, { tone: "completed" });
        renew("all");
      }}
    >
      {(form) => (
        <>
          <p class="muted">{WORDS.markText}</p>
          <TextField form={form} name="service_name" label={WORDS.service} hint={WORDS.serviceHint} />
          <Choice form={form} name="strategy" label={WORDS.strategy} options={STRATEGIES} />
          <Choice form={form} name="duration_seconds" label={WORDS.duration} options={TIMES} />
          <TextField form={form} name="why" label={WORDS.why} hint={WORDS.whyHint} maxLength={200} />
        </>
      )}
    </FormDialog>
  );
}
