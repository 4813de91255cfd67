// Where tasks wait: every queue, those in need first.
import { drift, useDrifts } from "../../api/drift.ts";
import { useHealth } from "../../api/health.ts";
import { useData } from "../../api/query.ts";
import { may } from "../../api/session.ts";
import type { HeldRead, QueueRow, Page as Rows } from "../../api/types.ts";
import { useWaiting } from "../../api/waiting.ts";
import { count } from "../../logic/format.ts";
import { isHeardBy } from "../../logic/outage.ts";
import {
  asHeard,
  beside,
  byNeed,
  emptyIn,
  heldIn,
  isUnserved,
  rate,
  sentenceOfQueues,
  takersOf,
} from "../../logic/queues.ts";
import { lookOfMark } from "../../logic/system.ts";
import { CopyAs } from "../../parts/copy.tsx";
import { Figure } from "../../parts/figure.tsx";
import { type Column, Grid } from "../../parts/grid.tsx";
import { useHeld } from "../../parts/held.tsx";
import { Icon } from "../../parts/icons.tsx";
import { PageHead, type PageProps } from "../../parts/page.tsx";
import { Empty, none, Shown } from "../../parts/states.tsx";
import { Status } from "../../parts/status.tsx";
import { clock, Lasting } from "../../parts/time.tsx";
import { go, href } from "../../router.ts";
import { WORDS } from "./words.ts";
import "./page.css";

const MOST = 1000;

export interface QueuesRead extends Rows<QueueRow> {
  queue_depth_source: "broker" | "mirror";
  due_is_exact: boolean;
}

const pathOf = (queue: QueueRow) => `/queues/${encodeURIComponent(queue.queue_name)}`;

export default function Page(_props: PageProps) {
  const queues = useData<QueuesRead>("/queues", {
    query: { limit: MOST, rows: "data" },
    topics: ["queues", "tasks", "workers"],
    every: 5_000,
  });
  useWaiting(queues);
  useDrifts(queues.value?.data);
  const held = useHeld(queues.value?.data.some((one) => one.due > 0));
  const isHeard = isHeardBy(useHealth());
  const rows = queues.value && asHeard(queues.value.data, isHeard);
  const unserved = rows?.filter(isUnserved).length ?? 0;
  return (
    <>
      <PageHead
        title={WORDS.title}
        state={unserved > 0 ? `▲ ${unserved}` : ""}
        lead={rows && sentenceOfQueues(rows, clock.value.now)}
      >
        <CopyAs command={{ path: "/queues" }} />
      </PageHead>
      <Shown data={queues} lines={6}>
        {(shown) =>
          shown.data.length === 0 ? (
            <NoQueue />
          ) : (
            <All read={{ ...shown, data: [...asHeard(shown.data, isHeard)] }} held={held.value} />
          )
        }
      </Shown>
    </>
  );
}

function NoQueue() {
  return (
    <Empty title={none(WORDS.empty)} icon="layers">
      <p>{WORDS.emptyHow}</p>
      {may("submit") && (
        <a class="button" href={href("/submit")}>
          {WORDS.emptyButton}
        </a>
      )}
    </Empty>
  );
}

function All({ read, held }: { read: QueuesRead; held: HeldRead | undefined }) {
  const sorted = byNeed(read.data);
  const most = Math.max(1, ...sorted.map((one) => one.waiting ?? 0));
  return (
    <>
      <Source of={read} />
      <Vitals queues={sorted} held={held} />
      <Grid
        label={WORDS.title}
        rows={sorted}
        columns={columnsOf({ most, isOfMirror: read.queue_depth_source === "mirror", held })}
        rowKey={(one) => one.queue_name}
        onOpen={(one) => go(pathOf(one))}
      />
      {read.total > read.data.length && (
        <p class="muted">
          {count(read.data.length)} of {count(read.total)} are shown.
        </p>
      )}
    </>
  );
}

/** Who says how much waits, where it is not the broker. */
export function Source({ of }: { of: Pick<QueuesRead, "queue_depth_source" | "due_is_exact"> }) {
  return (
    <>
      {of.queue_depth_source === "mirror" && (
        <p class="note" data-tone="waiting" role="status">
          <Icon name="unplug" /> {WORDS.fromMirror}
        </p>
      )}
      {!of.due_is_exact && <p class="muted">{WORDS.dueInexact}</p>}
    </>
  );
}

function Vitals({ queues, held }: { queues: readonly QueueRow[]; held: HeldRead | undefined }) {
  const more = beside(queues, held);
  const sum = (of: (queue: QueueRow) => number) => queues.reduce((all, one) => all + of(one), 0);
  const isKnown = queues.some((one) => one.waiting !== null);
  const oldest = queues
    .map((one) => one.oldest_waiting_at)
    .filter((at) => at !== null)
    .sort()[0];
  return (
    <div class="figures">
      <Figure
        label={WORDS.waiting}
        value={isKnown ? count(sum((one) => one.waiting ?? 0)) : "–"}
        unit={more ? `+ ${more}` : undefined}
      />
      <Figure label={WORDS.due} value={count(sum((one) => one.due))} note={WORDS.dueNote} />
      <Figure label={WORDS.held} value={count(sum((one) => one.unacked))} note={WORDS.heldNote} />
      <Figure label={WORDS.oldest} value={<Lasting from={oldest} />} note={WORDS.oldestNote} />
      <Figure
        label={`${WORDS.in} and ${WORDS.out}`}
        value={rate(sum((one) => one.in_per_minute))}
        unit={`in, ${rate(sum((one) => one.out_per_minute))} out`}
        note={WORDS.ratesNote}
        to={href("/analytics")}
      />
    </div>
  );
}

interface Drawn {
  most: number;
  isOfMirror: boolean;
  held: HeldRead | undefined;
}

const columnsOf = (drawn: Drawn): Column<QueueRow>[] => [
  {
    id: "name",
    title: "queue",
    width: "minmax(80px, 2fr)",
    narrow: "title",
    cell: (one) => (
      <a href={href(pathOf(one))} title={one.queue_name}>
        {one.queue_name}
      </a>
    ),
  },
  {
    id: "waiting",
    title: WORDS.waiting,
    width: "minmax(72px, 1.4fr)",
    narrow: "named",
    cell: (one) => <Depth queue={one} {...drawn} />,
  },
  {
    id: "oldest",
    title: "oldest",
    width: "84px",
    align: "end",
    narrow: "named",
    cell: (one) =>
      one.oldest_waiting_at ? <Lasting from={one.oldest_waiting_at} /> : <span class="muted">–</span>,
  },
  {
    id: "due",
    title: WORDS.due,
    from: 760,
    width: "36px",
    align: "end",
    narrow: "hide",
    cell: (one) => count(one.due),
  },
  {
    id: "held",
    title: "fetched",
    from: 840,
    width: "52px",
    align: "end",
    narrow: "hide",
    cell: (one) => count(one.unacked),
  },
  {
    id: "rates",
    title: "in → out a minute",
    from: 700,
    width: "108px",
    align: "end",
    narrow: "hide",
    cell: (one) => `${rate(one.in_per_minute)} → ${rate(one.out_per_minute)}`.replaceAll("/min", ""),
  },
  {
    id: "empty",
    title: "empty in",
    width: "96px",
    align: "end",
    narrow: "hide",
    cell: (one) => <EmptyIn queue={one} />,
  },
  {
    id: "consumers",
    title: "consumed by",
    width: "minmax(164px, 1fr)",
    cell: (one) => <ConsumedBy queue={one} />,
  },
];

const EmptyIn = ({ queue }: { queue: QueueRow }) => <>{emptyIn(queue, drift(queue))}</>;

function Depth({ queue, most, isOfMirror, held }: { queue: QueueRow } & Drawn) {
  const share = (queue.waiting ?? 0) / most;
  const kept = heldIn(queue, held);
  return (
    <span class="queues-depth">
      <span class="num">{count(queue.waiting)}</span>
      {kept > 0 ? (
        <span class="queues-held muted num">+ {count(kept)} held</span>
      ) : queue.waiting !== null && queue.waiting > 0 ? (
        <i data-mirror={isOfMirror ? "" : undefined} style={{ width: `${Math.max(2, share * 100)}%` }} />
      ) : null}
    </span>
  );
}

function ConsumedBy({ queue }: { queue: QueueRow }) {
  if (queue.mark !== null) return <Status look={lookOfMark(queue.mark)} plain />;
  const word = takersOf(queue);
  if (isUnserved(queue)) return <Status look={{ word, tone: "waiting", shape: "warning" }} plain />;
  return <span class={queue.active_consumers === 0 ? "muted" : undefined}>{word}</span>;
}
