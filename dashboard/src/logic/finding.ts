// Which of the things that there are somebody means by a few letters. Pure.

export interface Thing {
  /** What it is, in a word: `queue`. It is found by that too. */
  kind: string;
  id: string;
  label: string;
  /** What stands at the end of the line. */
  note?: string;
  to: string;
}

/** How many of each kind are offered. */
export const MOST_OF_A_KIND = 6;

/** Whether a text can only be an id. */
export const looksLikeId = (text: string): boolean =>
  /^[0-9a-f]{8}-[0-9a-f-]{10,}$/i.test(text) || (text.length >= 20 && !/\s/.test(text));

/** Whether a text may be what an id of ours begins with. */
export const mayBeginId = (text: string): boolean => /^([0-9a-f]-?){4,32}$/i.test(text);

/** Return what has all these words in it, of each kind the best first and a few at most, else in the order given. */
export function matching(things: readonly Thing[], text: string): Thing[] {
  const whole = text.trim().toLowerCase();
  const words = whole.split(/\s+/).filter(Boolean);
  if (words.length === 0) return [];
  const isMeant = (one: Thing) => {
    const said = `${one.kind} ${one.label} ${one.note ?? ""}`.toLowerCase();
    return one.id.toLowerCase().startsWith(whole) || words.every((word) => said.includes(word));
  };
  const kinds = new Map<string, Thing[]>();
  for (const one of things.filter(isMeant)) kinds.set(one.kind, [...(kinds.get(one.kind) ?? []), one]);
  const found = [...kinds.values()].flatMap((some) =>
    some.sort((a, b) => distance(a, whole) - distance(b, whole)).slice(0, MOST_OF_A_KIND),
  );
  // Whoever gives a whole id wants that and nothing else.
  return looksLikeId(whole) ? found.sort((a, b) => Number(isIt(b, whole)) - Number(isIt(a, whole))) : found;
}

/** Whether a thing has this id. */
export const isIt = (one: Thing, text: string): boolean => one.id.toLowerCase() === text.trim().toLowerCase();

function distance(one: Thing, text: string): number {
  const names = [one.label.toLowerCase(), one.id.toLowerCase()];
  if (names.includes(text)) return 0;
  return names.some((name) => name.startsWith(text)) ? 1 : 2;
}
