// Which columns of a list are shown: `columns=status,name` in the address, in the order of the list. Pure.

/** Return the ids that an address names; the usual ones where it names none that there is. */
export function chosenIds(
  named: string | null,
  all: readonly string[],
  usual: readonly string[],
): readonly string[] {
  const wanted = new Set(named?.split(","));
  const found = all.filter((id) => wanted.has(id));
  return found.length > 0 ? found : usual;
}

/** Return what the address says once a column is shown, or not shown any more; null for the usual ones. */
export function withId(
  ids: readonly string[],
  id: string,
  all: readonly string[],
  usual: readonly string[],
): string | null {
  const next = all.filter((one) => (one === id ? !ids.includes(one) : ids.includes(one)));
  const text = next.join(",");
  return text === usual.join(",") || next.length === 0 ? null : text;
}
