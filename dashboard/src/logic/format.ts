// Numbers, durations and times as people read them. No DOM: `now` and the zone come as arguments.

export const NONE = "–";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** `1,204`; `–` for what is not known. */
export function count(value: number | null | undefined, isExact = true): string {
  if (value === null || value === undefined || Number.isNaN(value)) return NONE;
  return whole.format(value) + (isExact ? "" : "+");
}

/** `45 µs`, `1.2 ms`, `340 ms`, `1.31 s`, `41.2 s`, `2 m 05 s`, `3 h 12 m`, `189 d 20 h`. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return NONE;
  if (seconds < 0) return `-${duration(-seconds)}`;
  if (seconds === 0) return "0 s";
  if (seconds < 0.0000995) return `${Math.max(1, Math.round(seconds * 1e6))} µs`;
  if (seconds < 0.00995) return `${trim((seconds * 1_000).toFixed(1))} ms`;
  if (seconds < 0.9995) return `${Math.round(seconds * 1_000)} ms`;
  if (seconds < 9.995) return `${trim(seconds.toFixed(2))} s`;
  if (seconds < 59.95) return `${trim(seconds.toFixed(1))} s`;
  const all = Math.round(seconds);
  if (all < 3_600) return `${Math.floor(all / 60)} m ${two(all % 60)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1_440) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} m`;
  const hours = Math.round(seconds / 3_600);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** As `duration`, for what is round: `5 m`, `4 h`, `1 d`; for limits and axes. */
export const period = (seconds: number | null | undefined): string =>
  duration(seconds).replace(/ 0+ [smh]$/, "");

/** As `duration`, in whole seconds, and in whole minutes from ten on: `41 s`, `1 m 09 s`, `12 m`; for sentences. */
export function about(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return NONE;
  if (seconds < 1) return "less than a second";
  const all = Math.round(seconds);
  return all >= 600 && all < 3_600 ? `${Math.floor(all / 60)} m` : duration(all);
}

/** The first unit alone, which seldom changes: `4 m`, `2 h`, `3 d`; for ages in lists. */
function roughly(seconds: number): string {
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  if (seconds < 3_570) return `${Math.round(seconds / 60)} m`;
  if (seconds < 172_000) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

const trim = (text: string): string => text.replace(/\.?0+$/, "");
const two = (value: number): string => String(value).padStart(2, "0");

/** `0.6 %`, `22 %`; one decimal below 10. */
export function percent(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return NONE;
  if (value > 0 && value < 0.05) return "<0.1 %";
  return `${Math.abs(value) < 9.95 ? trim(value.toFixed(1)) : Math.round(value)} %`;
}

/** A rate a minute from one a second: `1,032/min`, `0.4/min`. */
export function perMinute(perSecond: number | null | undefined): string {
  if (perSecond === null || perSecond === undefined || Number.isNaN(perSecond)) return NONE;
  const rate = perSecond * 60;
  return `${rate > 0 && rate < 9.95 ? trim(rate.toFixed(1)) : whole.format(rate)}/min`;
}

export interface Clock {
  now: number;
  /** An IANA zone; undefined is the browser's. */
  zone?: string;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatted(at: Date, options: Intl.DateTimeFormatOptions, zone?: string): Record<string, string> {
  const key = JSON.stringify(options) + zone;
  let format = formats.get(key);
  if (!format) formats.set(key, (format = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone })));
  return Object.fromEntries(format.formatToParts(at).map((part) => [part.type, part.value]));
}

const PARTS: Intl.DateTimeFormatOptions = {
  year: "numeric",
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 1,
  hourCycle: "h23",
};

/** `14:02:11.2` today, `26 Nov 14:02` else, with the year where it is another. */
export function time(text: string | null | undefined, clock: Clock): string {
  const at = text ? new Date(text) : null;
  if (!at || Number.isNaN(at.getTime())) return NONE;
  const it = formatted(at, PARTS, clock.zone);
  const now = formatted(new Date(clock.now), PARTS, clock.zone);
  if (it.year === now.year && it.month === now.month && it.day === now.day)
    return `${it.hour}:${it.minute}:${it.second}.${it.fractionalSecond}`;
  const year = it.year === now.year ? "" : ` ${it.year}`;
  return `${it.day} ${it.month}${year} ${it.hour}:${it.minute}`;
}

/** `14:02`, with the day where it is not today: for axes and sentences. */
export function hour(at: number, clock: Clock): string {
  const it = formatted(new Date(at), PARTS, clock.zone);
  const now = formatted(new Date(clock.now), PARTS, clock.zone);
  const day = it.day === now.day && it.month === now.month ? "" : `${it.day} ${it.month} `;
  return `${day}${it.hour}:${it.minute}`;
}

/** `3 m ago`, `in 2 h`. */
export function ago(text: string | null | undefined, clock: Clock): string {
  const at = text ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) return NONE;
  const seconds = (clock.now - at) / 1000;
  if (Math.abs(seconds) < 1) return "now";
  return seconds > 0 ? `${roughly(seconds)} ago` : `in ${roughly(-seconds)}`;
}

/** Seconds from one time to another; null where one is missing. */
export function between(from: string | null | undefined, to: string | null | undefined): number | null {
  if (!from || !to) return null;
  const seconds = (momentOf(to) - momentOf(from)) / 1000;
  return Number.isNaN(seconds) ? null : seconds;
}

/** Milliseconds since 1970, with the microseconds that `Date` cuts off: short runs are shorter than one of them. */
export function momentOf(text: string): number {
  return Date.parse(text) + Number(`0.${text.match(/\.\d{3}(\d+)/)?.[1] ?? 0}`);
}

/** The first 8 and the last 4 characters of a long id. */
export function shortId(id: string): string {
  const points = [...id];
  return points.length <= 16 ? id : `${points.slice(0, 8).join("")}…${points.slice(-4).join("")}`;
}

/** `1.2 MiB`. */
export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? size : trim(size.toFixed(1))} ${units[unit]}`;
}

/** `1 task`, `1,204 tasks`, `10,000+ tasks`; `many` where that is not `one` and an s: `2 tasks wait`. */
export function plural(number: number, one: string, many = `${one}s`, isExact = true): string {
  return `${count(number, isExact)} ${number === 1 && isExact ? one : many}`;
}
