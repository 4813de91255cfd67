// What can be asked of a worker; the page of one and the list of all ask it in the same way.
import { useSignal } from "@preact/signals";
import { segment } from "../../api/client.ts";
import { useData } from "../../api/query.ts";
import type { Page as Rows } from "../../api/types.ts";
import { isThere, keptOrTold, onlyTakerOf, stateOf } from "../../logic/workers.ts";
import { act, Confirm } from "../../parts/actions.tsx";
import { Dialog } from "../../parts/dialog.tsx";
import { Icon } from "../../parts/icons.tsx";
import { Select } from "../../parts/select.tsx";
import { Status } from "../../parts/status.tsx";
import type { Worker } from "./types.ts";
import { WORDS } from "./words.ts";

export const pathOf = (worker: Pick<Worker, "worker_id">) => `/workers/${segment(worker.worker_id)}`;
/** Hints that concern workers, and the queues that they consume. */
export const TOPICS = ["workers", "queues"];

/** How a worker is; one that was registered and never heard is not called active. */
export function WorkerStatus({ worker, plain }: { worker: Worker; plain?: boolean }) {
  const state = stateOf(worker);
  const look =
    state === worker.status ? undefined : ({ word: state, tone: "quiet", shape: "scheduled" } as const);
  return <Status of={state} look={look} plain={plain} />;
}

interface Answer {
  converged: boolean;
  message: string | null;
}

const saying = (worker: Worker, done: string) => (answer: Answer) =>
  keptOrTold(`${worker.hostname} ${done}`, worker, answer.converged);

export const pause = (worker: Worker) =>
  act<Answer>("PATCH", `${pathOf(worker)}/pause`, {
    done: saying(worker, "is paused"),
    topics: TOPICS,
  });

export const resume = (worker: Worker) =>
  act<Answer>("PATCH", `${pathOf(worker)}/resume`, {
    done: saying(worker, "is resumed"),
    topics: TOPICS,
  });

const DEADLINES = [
  ["", "never"],
  ["300", "5 m"],
  ["600", "10 m"],
  ["1800", "30 m"],
  ["7200", "2 h"],
  ["43200", "12 h"],
] as const;

/** Asks before a drain, and by when it shall be over. */
export function AskDrain({ worker, onClose }: { worker: Worker; onClose: () => void }) {
  const deadline = useSignal("600");
  const body = deadline.value ? { deadline_seconds: Number(deadline.value) } : undefined;
  const path = `${pathOf(worker)}/drain`;
  const all = useData<Rows<Worker>>("/workers", { query: { limit: MOST, rows: "data" }, topics: TOPICS });
  const alone = all.value ? onlyTakerOf(worker, all.value.data) : [];
  return (
    <Confirm
      title={`Drain ${worker.hostname}?`}
      verb="Drain it"
      tone="plain"
      onClose={onClose}
      command={{ method: "POST", path, body }}
      onConfirm={() => act("POST", path, { body, topics: TOPICS })}
    >
      {alone.length > 0 && (
        <p class="note" data-tone="waiting">
          <Icon name="warning" /> It is the only worker that takes from {alone.join(", ")}:{" "}
          {alone.length === 1 ? "its" : "their"} tasks will wait.
        </p>
      )}
      <p>{WORDS.drainWhy}</p>
      <label class="labelled">
        {WORDS.deadline}
        <Select
          value={deadline.value}
          options={DEADLINES}
          onChoose={(chosen) => {
            deadline.value = chosen;
          }}
        />
      </label>
    </Confirm>
  );
}

const MOST = 1000;

/** Asks how many tasks a worker shall run at once. */
export function AskCapacity({
  worker,
  onClose,
  first,
}: {
  worker: Worker;
  onClose: () => void;
  first?: number;
}) {
  const typed = useSignal(String(first ?? worker.capacity ?? 1));
  const isBusy = useSignal(false);
  const number = Number(typed.value);
  const isSound = /^\d+$/.test(typed.value.trim()) && number >= 1 && number <= MOST;
  const send = async (event: Event) => {
    event.preventDefault();
    if (!isSound || isBusy.value) return;
    isBusy.value = true;
    const answer = await act<Answer & { capacity: number }>("PATCH", `${pathOf(worker)}/capacity`, {
      body: { capacity: number },
      done: (said) =>
        isThere(worker)
          ? (said.message ?? `${worker.hostname} runs up to ${said.capacity} at once.`)
          : keptOrTold(`${worker.hostname} runs up to ${said.capacity} at once`, worker, said.converged),
      topics: TOPICS,
    });
    isBusy.value = false;
    if (answer) onClose();
  };
  return (
    <Dialog
      title={`Capacity of ${worker.hostname}`}
      onClose={onClose}
      footer={
        <>
          <span class="spacer" />
          <button type="button" class="button" onClick={onClose}>
            Back
          </button>
          <button type="submit" form="capacity" class="button primary" disabled={!isSound || isBusy.value}>
            Set it
          </button>
        </>
      }
    >
      <form id="capacity" class="labelled" onSubmit={send}>
        <label for="capacity-field">Tasks at once</label>
        <input
          id="capacity-field"
          class="field num"
          type="number"
          inputMode="numeric"
          min={1}
          max={MOST}
          value={typed.value}
          aria-invalid={!isSound}
          aria-describedby="capacity-why"
          onInput={(event) => (typed.value = event.currentTarget.value)}
        />
        <small id="capacity-why">
          {isSound ? (
            isThere(worker) ? (
              WORDS.capacityWhy
            ) : (
              WORDS.keptWhy
            )
          ) : (
            <span class="field-error">A whole number from 1 to {MOST}.</span>
          )}
        </small>
      </form>
    </Dialog>
  );
}

/** Asks before an offline worker is forgotten. */
export function AskForget({
  worker,
  onClose,
  onDone,
}: {
  worker: Worker;
  onClose: () => void;
  onDone?: () => void;
}) {
  return (
    <Confirm
      title={`Forget ${worker.hostname}?`}
      verb="Forget it"
      onClose={onClose}
      command={{ method: "DELETE", path: pathOf(worker) }}
      onConfirm={async () => {
        const answer = await act("DELETE", pathOf(worker), {
          done: `${worker.hostname} is forgotten.`,
          topics: TOPICS,
        });
        if (answer !== null) onDone?.();
      }}
    >
      <p>{WORDS.forgetWhy}</p>
    </Confirm>
  );
}
