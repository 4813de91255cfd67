// What fails: groups of one class of exception and one name of tasks, and what can be done with each.
import { useState } from "preact/hooks";
import { segment } from "../../api/client.ts";
import { useData } from "../../api/query.ts";
import { maySee } from "../../api/session.ts";
import type { Mark, Resilience } from "../../api/types.ts";
import { count, hour, percent, plural } from "../../logic/format.ts";
import { type Outcome, outcomeOf } from "../../logic/many.ts";
import { ActionButton } from "../../parts/actions.tsx";
import { CopyAs } from "../../parts/copy.tsx";
import { Sparkline } from "../../parts/figure.tsx";
import { HoldBack, LetGo } from "../../parts/hold.tsx";
import { ReceiptOfMany } from "../../parts/many.tsx";
import { PageHead, type PageProps } from "../../parts/page.tsx";
import { chosenHours, Range, rangeWords } from "../../parts/range.tsx";
import { Empty, none, Shown } from "../../parts/states.tsx";
import { Status } from "../../parts/status.tsx";
import { Ago, stillClock } from "../../parts/time.tsx";
import { Where } from "../../parts/where.tsx";
import { href } from "../../router.ts";
import { Canary } from "./canary.tsx";
import { type Failures, filled, type Group, newSince, tasksOf, withoutClass } from "./groups.ts";
import { WORDS } from "./words.ts";
import "./page.css";

export default function Page(_props: PageProps) {
  const hours = chosenHours();
  const failures = useData<Failures>("/analytics/failures", {
    query: { hours },
    topics: ["tasks"],
    every: 30_000,
  });
  const system = useData<Resilience>(maySee("/system") ? "/resilience/summary" : null, { every: 10_000 });
  const markOf = (group: Group) =>
    system.value?.degradation.marks.find((one) => one.service_name === `task:${group.task_name}`);
  const [replayed, setReplayed] = useState<Group | null>(null);
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const replay = (group: Group) => {
    setOutcome(null);
    setReplayed(group);
  };
  const found = failures.value;
  return (
    <>
      <PageHead title={WORDS.title} lead={found && verdict(found, hours)}>
        <CopyAs command={{ path: "/analytics/failures", query: { hours } }} />
      </PageHead>
      {outcome && <ReceiptOfMany of={outcome} onClose={() => setOutcome(null)} />}
      <Range label={WORDS.ranges} />
      <Shown data={failures} lines={6}>
        {(shown) =>
          shown.groups.length === 0 ? (
            <Empty icon="check">
              <p>{WORDS.noneText}</p>
            </Empty>
          ) : (
            <ol class="failures">
              {shown.groups.map((group) => (
                <GroupRow
                  key={`${group.error}\n${group.task_name}`}
                  found={shown}
                  group={group}
                  mark={markOf(group)}
                  onReplay={() => replay(group)}
                />
              ))}
            </ol>
          )
        }
      </Shown>
      {replayed && found && (
        <Canary
          group={replayed}
          mark={markOf(replayed)}
          query={tasksOf(found, replayed)}
          onReplayed={(go) =>
            setOutcome((before) => outcomeOf({ verb: "replay", at: Date.now(), ...go }, before))
          }
          onClose={() => setReplayed(null)}
        />
      )}
    </>
  );
}

/** Return what fails most, in one sentence. */
function verdict(found: Failures, hours: number): string {
  const when = rangeWords(hours);
  const all = found.groups.reduce((sum, group) => sum + group.count, 0);
  if (all === 0) return none(`${WORDS.none} in ${when}.`);
  const top = found.groups[0]!;
  const fresh = found.groups.filter((group) => group.is_new).length;
  const begun = newSince(found);
  const share = (100 * top.count) / all;
  const most =
    found.groups.length === 1
      ? `, all with ${top.error} in ${top.task_name ?? WORDS.anonymous}`
      : `, ${percent(share)} of them with ${top.error} in ${top.task_name ?? WORDS.anonymous}`;
  const since =
    begun === null ? "" : ` ${plural(fresh, "kind is", "kinds are")} new since ${hour(begun, stillClock())}.`;
  return `${plural(all, "task")} failed in ${when}${most}.${since}`;
}

function GroupRow({
  found,
  group,
  mark,
  onReplay,
}: {
  found: Failures;
  group: Group;
  mark: Mark | undefined;
  onReplay: () => void;
}) {
  const name = group.task_name;
  const counts = filled(found, group);
  const begun = newSince(found, [group]);
  return (
    <li class="failure">
      <div class="failure-what">
        <a class="quiet" href={href("/tasks", tasksOf(found, group))}>
          <b class="mono">{group.error}</b>
        </a>
        {begun !== null && (
          <span title={WORDS.freshWhy}>
            <Status
              look={{
                word: `${WORDS.fresh} ${hour(begun, stillClock())}`,
                tone: "failed",
                shape: "warning",
              }}
            />
          </span>
        )}
        {mark && <Status look={{ word: WORDS.held, tone: "waiting", shape: "paused" }} />}
        <span class="failure-name">
          <span class="muted">in </span>
          {name === null ? (
            <span class="muted">{WORDS.anonymous}</span>
          ) : (
            <a class="mono" href={href(`/names/${segment(name)}`)}>
              {name}
            </a>
          )}
        </span>
      </div>
      <div class="failure-often">
        <a
          class="quiet num"
          href={href("/tasks", tasksOf(found, group))}
          aria-label={plural(group.count, "failed task")}
        >
          <b>{count(group.count)}</b>
        </a>
        <Sparkline values={counts} slots={counts.length} tone="failed" width={140} height={24} />
      </div>
      {group.latest_error && group.latest_error !== group.error && (
        <p class="failure-says mono clip" title={group.latest_error}>
          {withoutClass(group.latest_error, group.error)}
        </p>
      )}
      <p class="muted failure-when">
        {group.first_failed_at
          ? "first at"
          : `first in the ${found.interval === "hourly" ? "hour" : "day"} from`}{" "}
        <span class="num">{hour(Date.parse(group.first_failed_at ?? group.first_seen), stillClock())}</span> ·
        last <Ago at={group.last_seen} />
        <Where before=" · " by={group.by_worker} failures={group.count} />
      </p>
      <div class="actions">
        <a class="button" href={href("/tasks", tasksOf(found, group))}>
          {WORDS.tasks}
        </a>
        {group.sample_task_ids[0] && (
          <a class="button" href={href(`/tasks/${segment(group.sample_task_ids[0])}`)}>
            {WORDS.newest}
          </a>
        )}
        {group.sample_task_ids.length > 0 && (
          <ActionButton needs="submit" onClick={onReplay}>
            {WORDS.replay}
          </ActionButton>
        )}
        {name !== null && !mark && <HoldBack service={`task:${name}`} name={name} />}
        {name !== null && mark?.automatic === false && <LetGo service={`task:${name}`} name={name} />}
      </div>
    </li>
  );
}
