// What differs between two JSON values, as steps of a JSON Patch (RFC 6902) from the first to the second. Pure.

export interface Difference {
  op: "add" | "remove" | "replace";
  path: string;
  old?: unknown;
  value?: unknown;
}

export const MOST = 1_000;

const isList = (value: unknown): value is unknown[] => Array.isArray(value);
const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !isList(value);

/** Return the differences, at most `MOST`; `path` is where both values stand. */
export function differences(before: unknown, after: unknown, path = ""): Difference[] {
  const found: Difference[] = [];
  compare(before, after, path, found);
  return found;
}

function compare(before: unknown, after: unknown, path: string, found: Difference[]): void {
  if (found.length >= MOST || Object.is(before, after)) return;
  if (isList(before) && isList(after)) {
    const both = Math.min(before.length, after.length);
    for (let index = 0; index < both; index += 1)
      compare(before[index], after[index], `${path}/${index}`, found);
    for (let index = both; index < after.length; index += 1)
      note(found, { op: "add", path: `${path}/${index}`, value: after[index] });
    for (let index = before.length - 1; index >= both; index -= 1)
      note(found, { op: "remove", path: `${path}/${index}`, old: before[index] });
  } else if (isMap(before) && isMap(after)) {
    for (const name of Object.keys(before))
      if (Object.hasOwn(after, name)) compare(before[name], after[name], `${path}/${escaped(name)}`, found);
      else note(found, { op: "remove", path: `${path}/${escaped(name)}`, old: before[name] });
    for (const name of Object.keys(after))
      if (!Object.hasOwn(before, name))
        note(found, { op: "add", path: `${path}/${escaped(name)}`, value: after[name] });
  } else note(found, { op: "replace", path, old: before, value: after });
}

function note(found: Difference[], one: Difference): void {
  if (found.length < MOST) found.push(one);
}

const escaped = (name: string): string => name.replaceAll("~", "~0").replaceAll("/", "~1");
