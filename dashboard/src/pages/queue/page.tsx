// One queue: why it moves or does not, who consumes it, what waits in it, and what more workers would change.

import { useMemo } from "preact/hooks";
import { segment } from "../../api/client.ts";
import { drift, useDrifts } from "../../api/drift.ts";
import { useHealth } from "../../api/health.ts";
import { useData } from "../../api/query.ts";
import type { HeldRead, QueueRow, Page as Rows, TaskRow, Trends } from "../../api/types.ts";
import { count } from "../../logic/format.ts";
import { heldRows } from "../../logic/holds.ts";
import { isHeardBy } from "../../logic/outage.ts";
import {
  heldIn,
  isUnserved,
  rate,
  sentenceOfQueue,
  sentenceOfScheduled,
  takersOf,
} from "../../logic/queues.ts";
import { lookOfMark } from "../../logic/system.ts";
import { CopyAs } from "../../parts/copy.tsx";
import { EndedBars } from "../../parts/ended.tsx";
import { Figure } from "../../parts/figure.tsx";
import { HeldNote, useHeld } from "../../parts/held.tsx";
import { HoldBack, LetGo } from "../../parts/hold.tsx";
import { PageHead, type PageProps, Section } from "../../parts/page.tsx";
import { Empty, none, Shown } from "../../parts/states.tsx";
import { Status } from "../../parts/status.tsx";
import { clock, Lasting, stillClock } from "../../parts/time.tsx";
import { href } from "../../router.ts";
import { Source } from "../queues/page.tsx";
import { Consumers, Names, Priorities, WhatIf } from "./parts.tsx";
import { WORDS } from "./words.ts";
import "./page.css";

export interface Consumer {
  worker_id: string;
  hostname: string;
  status: string;
  last_heartbeat: string | null;
  current_load: number;
  capacity: number | null;
  /** Since when it consumes the queue because nobody did, and it was told to. */
  adopted_at: string | null;
}

export interface QueueDetail extends QueueRow {
  queue_depth_source: "broker" | "mirror";
  due_is_exact: boolean;
  workers: Consumer[];
  /** Nodes of ours that know what waits in it and could be told to consume it. */
  takers: string[];
  /** Whether they are told by themselves. */
  adopts: boolean;
}

const TOPICS = ["queues", "tasks", "workers"];

export default function Page({ params }: PageProps) {
  const name = params.name ?? "";
  const queue = useData<QueueDetail>(`/queues/${segment(name)}`, { topics: TOPICS, every: 5_000 });
  const isHeard = isHeardBy(useHealth());
  const rows = useMemo(() => queue.value && [queue.value], [queue.value]);
  useDrifts(rows);
  if (queue.error?.status === 404 && !queue.value)
    return (
      <>
        <PageHead title={name} />
        <Empty title={none(WORDS.missing)} icon="search">
          <a class="button" href={href("/queues")}>
            All queues
          </a>
        </Empty>
      </>
    );
  return (
    <Shown data={queue} lines={6}>
      {(it) => <Whole queue={isHeard ? it : { ...it, isUnheard: true }} />}
    </Shown>
  );
}

function Whole({ queue }: { queue: QueueDetail }) {
  const name = queue.queue_name;
  const trends = useData<Trends>("/analytics/trends", {
    query: { hours: 6, queue_name: name },
    topics: ["tasks"],
    every: 30_000,
  });
  const held = useHeld(queue.due > 0 || queue.mark !== null);
  const scheduled = useData<Rows<TaskRow>>("/tasks", {
    query: { queue_name: name, phase: "scheduled", limit: 200, rows: "data" },
    topics: ["tasks"],
  }).value;
  const here = heldRows(held.value).filter((one) => one.queue_name === name);
  const holders = new Set([`queue:${name}`, ...here.flatMap((one) => one.held_by)]);
  const holds = held.value?.marks.filter((one) => holders.has(one.service_name) && !one.automatic) ?? [];
  return (
    <>
      <PageHead
        name={name}
        state={isUnserved(queue) ? "▲" : queue.mark ? "‖" : ""}
        title={
          <span class="queue-title">
            <span>{name}</span> <Condition queue={queue} />
          </span>
        }
        lead={[
          sentenceOfQueue(queue, clock.value.now, {
            heldBack: queue.due > 0 ? here : [],
            drift: drift(queue),
          }),
          sentenceOfScheduled(scheduled, stillClock()),
        ].join(" ")}
      >
        {queue.mark === null ? <HoldBack service={`queue:${name}`} name={name} /> : <Release queue={queue} />}
        <a class="button" href={href("/tasks", { queue_name: name, status: "PENDING" })}>
          {WORDS.show}
        </a>
        <CopyAs command={{ path: `/queues/${segment(name)}` }} />
      </PageHead>
      {holds.map((hold) => (
        <HeldNote
          key={hold.service_name}
          hold={hold}
          isExact={held.value?.is_exact ?? true}
          isLetGoHere={hold.service_name !== `queue:${name}`}
        />
      ))}
      <Source of={queue} />
      <Vitals queue={queue} held={held.value} />
      <div class="columns">
        <Section title={WORDS.priorities} note={WORDS.prioritiesNote} flush>
          <Priorities name={name} scheduled={scheduled?.total ?? 0} />
        </Section>
        <Section title={WORDS.consumers} flush>
          <Consumers queue={queue} />
        </Section>
      </div>
      <Section title={WORDS.whatIf}>
        <Shown data={trends}>{(shown) => <WhatIf queue={queue} trends={shown} />}</Shown>
      </Section>
      <div class="columns">
        <Section title={WORDS.hour} note="by minute">
          <Hour name={name} />
        </Section>
        <Section title={WORDS.names} note="in 6 hours" flush>
          <Shown data={trends}>{(shown) => <Names trends={shown} />}</Shown>
        </Section>
      </div>
    </>
  );
}

function Condition({ queue }: { queue: QueueDetail }) {
  if (queue.mark !== null) return <Status look={lookOfMark(queue.mark)} />;
  return isUnserved(queue) ? (
    <Status
      look={{
        word: queue.consumers === 0 ? "nobody consumes it" : takersOf(queue),
        tone: "waiting",
        shape: "warning",
      }}
    />
  ) : null;
}

function Release({ queue }: { queue: QueueDetail }) {
  const name = queue.queue_name;
  return queue.mark?.automatic ? null : <LetGo service={`queue:${name}`} name={name} />;
}

function Vitals({ queue, held }: { queue: QueueDetail; held: HeldRead | undefined }) {
  const kept = heldIn(queue, held);
  const tasks = (status: string) => href("/tasks", { queue_name: queue.queue_name, status });
  return (
    <div class="figures">
      <Figure
        label={WORDS.waiting}
        value={count(queue.waiting)}
        unit={kept > 0 ? `+ ${count(kept)} held` : undefined}
        to={tasks("PENDING")}
      />
      <Figure
        label={WORDS.oldest}
        value={<Lasting from={queue.oldest_waiting_at} />}
        note={WORDS.oldestNote}
      />
      <Figure label={WORDS.due} value={count(queue.due)} note={WORDS.dueNote} to={tasks("PENDING")} />
      <Figure label={WORDS.held} value={count(queue.unacked)} note={WORDS.heldNote} to={tasks("RUNNING")} />
      <Figure label={WORDS.in} value={rate(queue.in_per_minute)} note={WORDS.ratesNote} />
      <Figure label={WORDS.out} value={rate(queue.out_per_minute)} note={WORDS.ratesNote} />
    </div>
  );
}

function Hour({ name }: { name: string }) {
  const trends = useData<Trends>("/analytics/trends", {
    query: { hours: 1, interval: "minutely", queue_name: name },
    topics: ["tasks"],
    every: 30_000,
  });
  return (
    <Shown data={trends} lines={4}>
      {(shown) => <EndedBars trends={shown} of={{ queue_name: name }} hours={1} step={60_000} />}
    </Shown>
  );
}
