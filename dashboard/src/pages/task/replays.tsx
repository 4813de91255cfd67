// The replays of a task: as what it runs again, and the warning before it does so once more.
import { segment } from "../../api/client.ts";
import { useData } from "../../api/query.ts";
import { count } from "../../logic/format.ts";
import {
  becameOf,
  othersOf,
  type ReplayCount,
  type ReplayState,
  replaysOf,
  sentenceOfReplayed,
  wasReplayed,
} from "../../logic/replays.ts";
import { Id } from "../../parts/copy.tsx";
import { Icon } from "../../parts/icons.tsx";
import { TaskStatus } from "../../parts/status.tsx";
import { stillClock } from "../../parts/time.tsx";
import { href } from "../../router.ts";
import type { Timeline } from "./types.ts";
import { WORDS } from "./words.ts";

const NAMED = 5;
const pathOf = (id: string) => `/tasks/${encodeURIComponent(id)}`;

/** The replays of a task, the newest first, and how far that one is. */
function useReplays(id: string) {
  const timeline = useData<Timeline>(`/tasks/${segment(id)}/timeline`, { topics: [`task:${id}`] });
  const ids = replaysOf(timeline.value?.events ?? []);
  const last = ids[0];
  const states = useData<{ data: ReplayState[] }>(last ? "/tasks/states" : null, {
    query: { ids: last },
    topics: last ? [`task:${last}`] : [],
  });
  return {
    ids,
    last,
    newest: states.value?.data[0],
    was: wasReplayed(timeline.value),
    isAsking: !timeline.value && !timeline.error,
  };
}

/** `Replayed as 3f2a…9c1d · completed, and 2 before`, under the name of the original. */
export function ReplayedAs({ id }: { id: string }) {
  const { ids, last, newest } = useReplays(id);
  if (!last) return null;
  return (
    <p class="task-replayed">
      {WORDS.replayedAs} <Id id={last} to={href(pathOf(last))} />
      {newest && (
        <>
          · <TaskStatus task={newest} plain />
        </>
      )}
      <span class="muted">{othersOf(ids)}</span>
    </p>
  );
}

/** Says in the question before several replays how many of them there were before, and which. */
export function SomeReplayedBefore({ ids }: { ids: readonly string[] }) {
  const found = useData<{ data: ReplayCount[] }>(ids.length > 0 ? "/tasks/replays" : null, {
    query: { ids },
  });
  const known = found.value?.data ?? [];
  const said = found.error ? WORDS.replayedUnknown : sentenceOfReplayed(known, ids.length, stillClock());
  if (!said) return null;
  return (
    <div class="note" data-tone="waiting">
      <Icon name="warning" />
      <span>
        {said}{" "}
        {known.slice(0, NAMED).map((one) => (
          <Id key={one.task_id} id={one.task_id} to={href(pathOf(one.task_id))} />
        ))}
        {known.length > NAMED && <> and {count(known.length - NAMED)} more</>}
      </span>
    </div>
  );
}

/** Says in the question before a replay that there was one, and what became of it. */
export function ReplayedBefore({ id }: { id: string }) {
  const { ids, last, newest, was, isAsking } = useReplays(id);
  if (was === "no" || isAsking) return null;
  const said = [becameOf(newest, stillClock()), othersOf(ids)].filter(Boolean).join(", ");
  return (
    <p class="note" data-tone="waiting">
      <Icon name="warning" />
      <span>
        {last ? (
          <>
            {WORDS.replayedBefore} <Id id={last} to={href(pathOf(last))} /> {said && `${said}.`}
          </>
        ) : was === "yes" ? (
          WORDS.replayedHidden
        ) : (
          WORDS.replayedUnknown
        )}{" "}
        {was === "yes" && WORDS.replayAgain}
      </span>
    </p>
  );
}
