// Icon, word and colour of a state; never one of them alone.

import type { HeldRead } from "../api/types.ts";
import { holdOn, lookOfHeld, type MayBeHeld } from "../logic/holds.ts";
import { type Look, lookOf, lookOfTask } from "../logic/status.ts";
import { ShapeIcon } from "./icons.tsx";
import { stillClock } from "./time.tsx";

/** A state by its word of the API. `plain` leaves the tint away, for tables. */
export function Status({ of, look, plain }: { of?: string; look?: Look; plain?: boolean }) {
  const shown = look ?? lookOf(of ?? "unknown");
  return (
    <span class={plain ? "status plain" : "status"} data-tone={shown.tone} title={shown.meaning}>
      <ShapeIcon shape={shown.shape} />
      {shown.word}
    </span>
  );
}

/** The state of a task, by its phase while it is on its way; of one that is known to be held back, that. */
export function TaskStatus({
  task,
  held,
  plain,
}: {
  task: { status: string; outcome?: string | null } & MayBeHeld;
  held?: HeldRead;
  plain?: boolean;
}) {
  const hold = holdOn(task, held);
  return <Status look={hold ? lookOfHeld(hold, stillClock()) : lookOfTask(task)} plain={plain} />;
}
