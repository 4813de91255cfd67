// What a worker says of itself beside what is wanted of it, and what has become of it.
import { useData } from "../../api/query.ts";
import { sentenceOfEntry, wishesOf } from "../../logic/workers.ts";
import { By } from "../../parts/by.tsx";
import { Id } from "../../parts/copy.tsx";
import { Icon } from "../../parts/icons.tsx";
import { Facts, Section } from "../../parts/page.tsx";
import { Shown } from "../../parts/states.tsx";
import { Ago, Time } from "../../parts/time.tsx";
import { href } from "../../router.ts";
import { pathOf, TOPICS } from "../workers/actions.tsx";
import type { HistoryEntry, WorkerDetail } from "../workers/types.ts";
import { WORDS } from "./words.ts";

export function Wanted({ worker }: { worker: WorkerDetail }) {
  const said = worker.observed.described_at;
  return (
    <>
      <table class="worker-wanted">
        <thead>
          <tr>
            <td />
            <th scope="col">wanted</th>
            <th scope="col">seen</th>
            <th scope="col">
              <span class="sr">Whether it is so</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {wishesOf(worker).map((wish) => (
            <tr key={wish.what}>
              <th scope="row">{wish.what}</th>
              <td>{wish.wanted}</td>
              <td>
                {wish.seen}
                {wish.why && <small>{wish.why}</small>}
              </td>
              <td data-tone={wish.holds === false ? "waiting" : "completed"}>
                {wish.holds !== null && (
                  <>
                    <Icon name={wish.holds ? "check" : "warning"} />
                    <span class="sr">{wish.holds ? "so" : "not so"}</span>
                  </>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="muted list-more">
        {said ? (
          <>
            {WORDS.seenAt} <Ago at={said} />
          </>
        ) : (
          WORDS.notSeen
        )}
      </p>
    </>
  );
}

export function AboutIt({ worker }: { worker: WorkerDetail }) {
  const { versions } = worker;
  const plugin =
    versions.plugin === null
      ? "none: a stock worker"
      : `${versions.plugin}, protocol ${versions.protocol ?? "?"}`;
  return (
    <Facts
      of={[
        ["id", <Id key="1" id={worker.worker_id} />],
        ["heard", <Ago key="2" at={worker.last_heartbeat} />],
        ["celery", versions.celery ?? "–"],
        ["plugin", plugin],
        ["pool", worker.pool === null ? "–" : `${worker.pool}, process ${worker.pid ?? "–"}`],
        ["events", EVENTS[worker.events]],
        worker.capabilities !== null && worker.capabilities.length > 0
          ? ["can", worker.capabilities.map((one) => one.replaceAll("_", " ")).join(", ")]
          : null,
        [
          "queues",
          worker.queues === null
            ? "–"
            : worker.queues.map((name, index) => (
                <span key={name}>
                  {index > 0 && ", "}
                  <a href={href(`/queues/${encodeURIComponent(name)}`)}>{name}</a>
                </span>
              )),
        ],
        worker.registered_at ? ["registered", <Time key="3" at={worker.registered_at} />] : null,
      ]}
    />
  );
}

const EVENTS = { on: "sent", off: WORDS.muteWhy, unknown: "not known whether they are sent" } as const;

/** What became of it and what was asked of it, the newest first. */
export const useHistory = (worker: WorkerDetail) =>
  useData<{ data: HistoryEntry[] }>(`${pathOf(worker)}/history`, { topics: TOPICS });

export function History({ worker }: { worker: WorkerDetail }) {
  const history = useHistory(worker);
  return (
    <Section title={WORDS.history} note={WORDS.historyNote} flush>
      <Shown data={history}>
        {(shown) =>
          shown.data.length === 0 ? (
            <p class="muted list-more">Nothing is recorded.</p>
          ) : (
            <ul class="list">
              {shown.data.slice(0, 50).map((entry, index) => (
                <li key={`${entry.at}${entry.event}${index}`}>
                  <span class="worker-when muted">
                    <Time at={entry.at} />
                  </span>
                  <span>
                    {sentenceOfEntry(entry)}
                    {entry.reason && <span class="muted"> {entry.reason}</span>}
                  </span>
                  {entry.by && (
                    <span class="end muted clip">
                      <By label={entry.by} name={entry.by_name} />
                    </span>
                  )}
                </li>
              ))}
            </ul>
          )
        }
      </Shown>
    </Section>
  );
}
