// JSON with every digit: an integer that a double cannot hold becomes a bigint, and leaves as it came.

interface RawJSON {
  rawJSON(text: string): unknown;
}

const MANY_DIGITS = /\d{16}/;
const WHOLE = /^-?\d+$/;

/** Return the value of a JSON text; whole numbers beyond 2^53 are bigints. */
export function parseExact(text: string): unknown {
  if (!MANY_DIGITS.test(text)) return JSON.parse(text);
  const revive = (_key: string, value: unknown, context?: { source?: string }) => {
    const source = context?.source;
    return typeof value === "number" && source && WHOLE.test(source) && !Number.isSafeInteger(value)
      ? BigInt(source)
      : value;
  };
  return JSON.parse(text, revive);
}

/** Return a value as JSON text; a bigint is written with all its digits. */
export function writeExact(value: unknown, indent?: number): string {
  const raw = (JSON as unknown as Partial<RawJSON>).rawJSON;
  const replace = (_key: string, item: unknown) =>
    typeof item === "bigint" ? (raw ? raw(item.toString()) : Number(item)) : item;
  return JSON.stringify(value, replace, indent) ?? "null";
}
