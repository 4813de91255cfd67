// What there is to be found, asked for while somebody looks for it: what his key may not see is not asked for.
import { useEffect, useRef, useState } from "preact/hooks";
import { mayOpen } from "./allowed.ts";
import { segment } from "./api/client.ts";
import { type Data, type ReadOptions, useData } from "./api/query.ts";
import type { TaskRow } from "./api/types.ts";
import { MOST_OF_A_KIND, matching, mayBeginId, type Thing } from "./logic/finding.ts";
import { shortId } from "./logic/format.ts";
import { lookOf } from "./logic/status.ts";
import type { Key } from "./pages/keys/types.ts";
import type { Channel } from "./pages/notifications/types.ts";
import type { Webhook } from "./pages/webhooks/types.ts";
import type { Worker } from "./pages/workers/types.ts";
import type { WorkflowRow } from "./pages/workflow/types.ts";

/** Until somebody pauses for so long, he is still typing. */
const TYPING_MS = 150;
const ALL = { limit: 1000, rows: "data" };

export interface Found {
  things: Thing[];
  /** What the API finds by words of its own, whatever stands in its row. */
  tasks: Thing[];
  workers: readonly Worker[];
  isLooking: boolean;
  /** Whether something that was asked for could not be read. */
  isPartial: boolean;
}

interface Kind<Row> {
  name: string;
  /** The page on which all of it is listed: who may not open that is shown none of it. */
  page: string;
  /** Empty while it is not asked for. */
  path: string | false;
  query?: ReadOptions["query"];
  topics?: readonly string[];
  thing: (row: Row) => Omit<Thing, "kind">;
}

function useKind<Row>(kind: Kind<Row>): { data: Data<{ data: Row[] }>; things: Thing[]; isAsked: boolean } {
  const isAsked = kind.path !== false && mayOpen(kind.page);
  const data = useData<{ data: Row[] }>(isAsked ? kind.path || null : null, {
    query: kind.query,
    topics: kind.topics,
  });
  const things = (data.value?.data ?? []).map((row) => ({ kind: kind.name, ...kind.thing(row) }));
  return { data, things, isAsked };
}

/** Return what is meant by a text: what was seen or made last comes first, where that is known. */
export function useFound(text: string): Found {
  const now = text.trim();
  const typed = useSettled(now);
  const asks = now !== "";
  const search = typed.length >= 2;
  const queues = useKind<{ queue_name: string }>({
    name: "queue",
    page: "/queues",
    path: asks && "/queues",
    query: ALL,
    thing: ({ queue_name: id }) => ({ id, label: id, to: `/queues/${segment(id)}` }),
  });
  const workers = useKind<Worker>({
    name: "worker",
    page: "/workers",
    path: asks && "/workers",
    query: ALL,
    // What was done to one a moment ago is offered the other way round.
    topics: ["workers"],
    thing: (row) => ({
      id: row.worker_id,
      label: row.hostname,
      note: lookOf(row.status).word,
      to: `/workers/${segment(row.worker_id)}`,
    }),
  });
  const names = useKind<string>({
    name: "task name",
    page: "/names",
    path: search && "/search/suggestions",
    query: { field: "task_name", prefix: typed, limit: MOST_OF_A_KIND },
    thing: (id) => ({ id, label: id, to: `/names/${segment(id)}` }),
  });
  const workflow = (row: WorkflowRow) => ({
    id: row.workflow_id,
    label: `${row.name} · ${shortId(row.workflow_id)}`,
    note: lookOf(row.status).word,
    to: `/workflows/${segment(row.workflow_id)}`,
  });
  const named = useKind<WorkflowRow>({
    name: "workflow",
    page: "/workflows",
    path: asks && "/workflows",
    query: { limit: 200, rows: "data" },
    thing: workflow,
  });
  const begun = useKind<WorkflowRow>({
    name: "workflow",
    page: "/workflows",
    path: mayBeginId(typed) && "/workflows",
    query: { id_prefix: typed, limit: MOST_OF_A_KIND, rows: "data" },
    thing: workflow,
  });
  const tasks = useKind<TaskRow>({
    name: "task",
    page: "/tasks",
    path: search && "/search/tasks",
    query: { search: typed, limit: MOST_OF_A_KIND, rows: "data" },
    thing: (row) => ({
      id: row.task_id,
      label: `${row.task_name ?? "no name"} · ${shortId(row.task_id)}`,
      note: lookOf(row.status).word,
      to: `/tasks/${segment(row.task_id)}`,
    }),
  });
  const rules = useKind<{ type: string }>({
    name: "alert rule",
    page: "/alerts",
    path: asks && "/alerts/rules",
    query: { limit: 100, rows: "data" },
    thing: ({ type: id }) => ({
      id,
      label: id.toLowerCase().replaceAll("_", " "),
      note: id,
      to: `/alerts?tab=rules&rule=${segment(id)}`,
    }),
  });
  const webhooks = useKind<Webhook>({
    name: "webhook",
    page: "/webhooks",
    path: asks && "/webhooks",
    thing: (row) => ({
      id: row.webhook_id,
      label: row.description || row.url,
      note: row.description ? row.url : undefined,
      to: `/webhooks/${segment(row.webhook_id)}`,
    }),
  });
  const channels = useKind<Channel>({
    name: "channel",
    page: "/notifications",
    path: asks && "/notifications/channels",
    query: { limit: 200, rows: "data" },
    thing: (row) => ({ id: row.channel_id, label: row.name, to: "/notifications" }),
  });
  const keys = useKind<Key>({
    name: "API key",
    page: "/keys",
    path: asks && "/api-keys",
    query: { limit: 200, rows: "data" },
    thing: (row) => ({ id: row.key_id, label: row.name, note: row.key_id, to: "/keys" }),
  });
  const all = [queues, workers, names, named, begun, tasks, rules, webhooks, channels, keys];
  const asked = all.filter((one) => one.isAsked);
  const isOpen = ({ data }: (typeof asked)[number]) => data.value === undefined && data.error === undefined;
  const others = all.filter((one) => one !== tasks);
  const found = others.flatMap((one) => one.things).sort((a, b) => Number(isAway(a)) - Number(isAway(b)));
  // All at once, so that nothing moves under a hand that is about to press; tasks take longest, and stand below.
  const isSettled = typed === now && !asked.some((one) => one !== tasks && isOpen(one));
  const last = useRef<Thing[]>([]);
  if (isSettled) last.current = unique(found);
  return {
    things: matching(last.current, now),
    tasks: isSettled ? tasks.things : [],
    workers: isSettled ? (workers.data.value?.data ?? []) : [],
    isLooking: !isSettled || asked.some(isOpen),
    isPartial: asked.some(({ data }) => data.value === undefined && data.error !== undefined),
  };
}

const isAway = (one: Thing) => one.kind === "worker" && one.note === lookOf("OFFLINE").word;

/** A workflow may be found by its name and by its id. */
const unique = (things: readonly Thing[]): Thing[] => [
  ...new Map(things.map((one) => [`${one.kind} ${one.id}`, one])).values(),
];

/** Return the text once nothing was added to it for a while. */
function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}
