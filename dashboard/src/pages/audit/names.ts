// The names of what something was done to, where a name is known: nobody knows a thing by its id.
import type { Query } from "../../api/client.ts";
import { useData } from "../../api/query.ts";
import { may } from "../../api/session.ts";
import { nameOfMarked } from "../../logic/system.ts";
import { useKeyNames } from "../../parts/by.tsx";
import type { AuditRow } from "./types.ts";

type Row = Record<string, string>;

/** Return a function that names the subject of a row; null where it has no name, or none that is known. */
export function useNames(rows: readonly AuditRow[] | undefined): (row: AuditRow) => string | null {
  const has = (kind: string) => rows?.some((row) => row.subject_kind === kind) ?? false;
  const known: Record<string, ReadonlyMap<string, string> | undefined> = {
    key: useKeyNames(has("key")),
    worker: useList(has("worker") && may("read") && "/workers", "worker_id", "hostname"),
    channel: useList(has("channel") && may("read") && "/notifications/channels", "channel_id", "name"),
    route: useList(has("route") && may("read") && "/notifications/routes", "route_id", "name"),
    webhook: useList(has("webhook") && may("read") && "/webhooks", "webhook_id", "url", {}),
    session: useList(has("session") && "/sessions", "session_id", "name"),
  };
  return (row) => {
    if (row.subject_kind === "service") return nameOfMarked(row.subject_id);
    const name = known[row.subject_kind]?.get(row.subject_id) ?? nameWithin(row);
    return name && row.subject_kind === "session" ? `session of ${name}` : name;
  };
}

function useList(
  path: string | false,
  id: string,
  name: string,
  query: Query = { limit: MOST, rows: "data" },
): ReadonlyMap<string, string> | undefined {
  const found = useData<{ data: Row[] }>(path || null, { query });
  return found.value && new Map(found.value.data.map((one) => [one[id] ?? "", one[name] ?? ""]));
}

/** The most that every one of these lists gives at once. */
const MOST = 1000;

/** What a thing was called as something was done to it: it may be gone since. */
function nameWithin(row: AuditRow): string | null {
  const name = row.after.name ?? row.before.name ?? row.after.url ?? row.before.url;
  return typeof name === "string" ? name : null;
}
