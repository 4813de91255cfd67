// Replay one of a group, watch it end, and only then the rest.
import { useEffect, useState } from "preact/hooks";
import { ask, call, segment } from "../../api/client.ts";
import { useData } from "../../api/query.ts";
import type { Mark, Page as Rows, TaskRow } from "../../api/types.ts";
import { plural } from "../../logic/format.ts";
import type { Made } from "../../logic/many.ts";
import { actOnEach } from "../../parts/actions.tsx";
import { Dialog } from "../../parts/dialog.tsx";
import { LetGo } from "../../parts/hold.tsx";
import { Icon } from "../../parts/icons.tsx";
import { Receipt, type ReceiptStep } from "../../parts/receipt.tsx";
import { ErrorBox } from "../../parts/states.tsx";
import { href } from "../../router.ts";
import { SomeReplayedBefore } from "../task/replays.tsx";
import type { Group } from "./groups.ts";
import { WORDS } from "./words.ts";

const MOST = 200;
/** Pages that are looked through for those that are left. */
const MOST_PAGES = 50;
const ENDED = ["COMPLETED", "FAILED", "CANCELLED"];

/** What was replayed from this page: it stays failed, and is not replayed twice. */
const replayed = new Set<string>();

/** Return the newest tasks of the group that were not replayed from here, `MOST` at most. */
async function remaining(query: Record<string, string>): Promise<string[]> {
  const found: string[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < MOST_PAGES && found.length < MOST; page += 1) {
    const { value }: { value: Rows<TaskRow> } = await ask<Rows<TaskRow>>("GET", "/search/tasks", {
      query: { ...query, limit: MOST, rows: "data", cursor },
    });
    found.push(...value.data.map((row) => row.task_id).filter((id) => !replayed.has(id)));
    cursor = value.next_cursor;
    if (cursor === null) break;
  }
  return found.slice(0, MOST);
}

export function Canary({
  group,
  mark,
  query,
  onReplayed,
  onClose,
}: {
  group: Group;
  /** What holds its name back. */
  mark: Mark | undefined;
  query: Record<string, string>;
  /** Told of what became of each go. */
  onReplayed: (go: { all: number; made: readonly Made[]; failures: readonly Error[] }) => void;
  onClose: () => void;
}) {
  const original = group.sample_task_ids.find((id) => !replayed.has(id));
  const [replay, setReplay] = useState<string | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const [rest, setRest] = useState<string[] | null>(null);
  const [done, setDone] = useState<number | null>(null);
  const task = useData<TaskRow>(replay && `/tasks/${segment(replay)}`, {
    topics: replay ? [`task:${replay}`] : [],
    every: 2_000,
  });
  const status = task.value?.status;
  const hasEnded = status !== undefined && ENDED.includes(status);
  useEffect(() => {
    if (status !== "COMPLETED" || rest !== null) return;
    remaining(query).then(setRest).catch(setError);
  }, [status]);
  const guarded = async (run: () => Promise<void>) => {
    setError(null);
    try {
      await run();
    } catch (reason) {
      setError(reason as Error);
    }
  };
  const replayOne = () =>
    guarded(async () => {
      const made = await call<Made>("POST", `/tasks/${segment(original!)}/replay`, {
        body: {},
      });
      replayed.add(original!);
      setReplay(made.task_id);
      onReplayed({ all: 1, made: [made], failures: [] });
    });
  const replayRest = () =>
    guarded(async () => {
      setDone(0);
      const made: Made[] = [];
      const failures = await actOnEach(
        rest!,
        async (id) => made.push(await call("POST", `/tasks/${segment(id)}/replay`, { body: {} })),
        { onProgress: setDone },
      );
      for (const id of rest!) if (!failures.has(id)) replayed.add(id);
      onReplayed({ all: rest!.length, made, failures: [...failures.values()] });
      const next = failures.size > 0 ? [] : await remaining(query);
      if (next.length === 0) return onClose();
      setRest(next);
      setDone(null);
    });
  return (
    <Dialog
      title={`${group.error} in ${group.task_name ?? WORDS.anonymous}`}
      onClose={onClose}
      footer={
        <>
          <span class="spacer" />
          <button type="button" class="button" onClick={onClose}>
            Back
          </button>
          {replay === null ? (
            <button type="button" class="button primary" disabled={!original} onClick={replayOne}>
              {WORDS.one}
            </button>
          ) : (
            <button
              type="button"
              class="button primary"
              disabled={!rest || rest.length === 0 || done !== null}
              onClick={replayRest}
            >
              {rest && rest.length > 0 ? `Replay the other ${rest.length}` : WORDS.rest}
            </button>
          )}
        </>
      }
    >
      <p>
        The newest of them is submitted once more with the same arguments. Only when it has completed are the
        others offered, {MOST} at a time.
      </p>
      {!original && <p>{WORDS.allReplayed}</p>}
      <Receipt
        title="Proof"
        steps={stepsOf({
          replay,
          status,
          hasEnded,
          error: task.value?.error ?? null,
          others: rest?.length ?? null,
          done,
        })}
      />
      {rest && done === null && <SomeReplayedBefore ids={rest} />}
      {mark && !hasEnded && (
        <div class="note" data-tone="waiting">
          <Icon name="pause" />
          <span>
            {group.task_name} {WORDS.heldWhy}
          </span>
          {!mark.automatic && <LetGo service={mark.service_name} name={group.task_name ?? ""} />}
        </div>
      )}
      {replay && (
        <p>
          <a href={href(`/tasks/${segment(replay)}`)}>Look at the replay</a>
        </p>
      )}
      {error && <ErrorBox error={error} />}
    </Dialog>
  );
}

function stepsOf(it: {
  replay: string | null;
  status: string | undefined;
  hasEnded: boolean;
  error: string | null;
  others: number | null;
  done: number | null;
}): ReceiptStep[] {
  const ended = it.status === "COMPLETED" ? "ok" : it.hasEnded ? "failed" : it.replay ? "open" : "later";
  return [
    { title: "One is submitted", state: it.replay ? "ok" : "later" },
    {
      title:
        it.status === "FAILED"
          ? "It has failed again"
          : it.status === "CANCELLED"
            ? "It was cancelled"
            : "It completes",
      state: ended,
      detail: it.status === "FAILED" ? it.error : undefined,
    },
    {
      title:
        ended === "failed"
          ? "The rest are not submitted"
          : it.done !== null
            ? "The rest are being submitted"
            : "The rest are submitted",
      state: it.done !== null ? "open" : ended === "failed" ? "failed" : "later",
      detail:
        it.done !== null
          ? `${it.done} of ${it.others}`
          : it.others === 0
            ? "There are no others."
            : it.others !== null
              ? `${plural(it.others, "other")} can follow.`
              : undefined,
    },
  ];
}
