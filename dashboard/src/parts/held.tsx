// What marks hold back, beside the name or the queue whose work it is: how much, by whom, since when and why.
import { useData } from "../api/query.ts";
import type { HeldRead, Hold } from "../api/types.ts";
import { listOfHold, pathOfHold, sentenceOfHold, sentenceOfHolds } from "../logic/holds.ts";
import { nameOfWork } from "../logic/marks.ts";
import { href } from "../router.ts";
import { LetGo } from "./hold.tsx";
import { Icon } from "./icons.tsx";
import { clock } from "./time.tsx";

/** Read what marks hold back: one look at the marks while there are none. */
export const useHeld = (isWanted = true) =>
  useData<HeldRead>(isWanted ? "/resilience/held" : null, { topics: ["tasks", "queues"], every: 5_000 });

/** One mark that holds work back, with the list of it and the button that lets it go. */
export function HeldNote({
  hold,
  isExact,
  isLetGoHere = true,
}: {
  hold: Hold;
  isExact: boolean;
  /** Whether the button is not on the page already. */
  isLetGoHere?: boolean;
}) {
  const work = nameOfWork(hold.service_name);
  return (
    <div class="note held-note" data-tone="waiting">
      <Icon name="pause" />
      <span>
        {sentenceOfHold(hold, clock.value, isExact)}{" "}
        {hold.count > 0 && <a href={href("/tasks", listOfHold(hold.service_name))}>Show them</a>}
      </span>
      {isLetGoHere && !hold.automatic && work && <LetGo service={hold.service_name} name={work.name} />}
    </div>
  );
}

/** The same of several in one sentence, for the lead of a list; nothing while nothing is held back. */
export function HeldLead({ holds, isExact }: { holds: readonly Hold[]; isExact: boolean }) {
  const [first] = holds;
  if (!first) return null;
  const to =
    holds.length === 1 ? href(pathOfHold(first.service_name)) : href("/tasks", { phase: "dispatching" });
  return (
    <>
      {sentenceOfHolds(holds, clock.value, isExact)} <a href={to}>Show them.</a>{" "}
    </>
  );
}
