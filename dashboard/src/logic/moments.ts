// Times in an address: `-24h` moves on with the clock, a fixed time stays. Pure.

const RELATIVE = /^-(\d+(?:\.\d+)?)([smhd])$/;
const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 };
const NAMES = /(^|_)(after|before)$/;

const isRelative = (name: string, value: string) => NAMES.test(name) && RELATIVE.test(value);

/** Whether an address looks back from now. */
export const looksBack = (params: URLSearchParams): boolean =>
  [...params].some(([name, value]) => isRelative(name, value));

/** Return the address as of a moment: what is relative becomes a time, and `until`, where it is open, this moment. */
export function fixedAt(params: URLSearchParams, now: number, until?: string): URLSearchParams {
  const next = new URLSearchParams();
  for (const [name, value] of params) next.append(name, isRelative(name, value) ? timeOf(value, now) : value);
  if (until && !next.get(until)) next.set(until, new Date(now).toISOString());
  return next;
}

function timeOf(text: string, now: number): string {
  const [, number, unit] = text.match(RELATIVE)!;
  const seconds = Number(number) * SECONDS[unit as keyof typeof SECONDS];
  const at = new Date(now - seconds * 1_000);
  return Number.isNaN(at.getTime()) ? text : at.toISOString();
}

/** Return the time of the API, which counts microseconds, that comes next after one of its times. */
export function justAfter(text: string): string {
  const [, whole, digits = "", zone] = text.match(/^(.*T[\d:]{8})(?:\.(\d+))?(.*)$/)!;
  const micros = Number(digits.padEnd(6, "0").slice(0, 6)) + 1;
  if (micros < 1_000_000) return `${whole}.${String(micros).padStart(6, "0")}${zone}`;
  return new Date(Date.parse(`${whole}${zone}`) + 1_000).toISOString();
}
