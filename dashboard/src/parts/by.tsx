// Who did something: a key by its name, for who may see the names of keys.
import { useData } from "../api/query.ts";
import { may } from "../api/session.ts";
import type { Page as Rows } from "../api/types.ts";
import { calledBy } from "../logic/principals.ts";

/** `name`: how he was called then, where that was noted. */
export function By({ label, name = null }: { label: string; name?: string | null }) {
  const keys = useKeyNames(name === null && /^(api_key|session):/.test(label));
  return <span title={label}>{calledBy(label, name, keys)}</span>;
}

/** The names of keys by their ids, while somebody wants them; undefined for who may not see them. */
export function useKeyNames(isWanted: boolean): ReadonlyMap<string, string> | undefined {
  const found = useData<Rows<{ key_id: string; name: string }>>(
    isWanted && may("admin") ? "/api-keys" : null,
    { query: { limit: 1000, rows: "data" } },
  );
  return found.value && new Map(found.value.data.map((key) => [key.key_id, key.name]));
}
