// Times and durations that keep up with the clock, in the zone that the person has chosen.
import { computed, signal } from "@preact/signals";
import { ago, type Clock, duration, NONE, time } from "../logic/format.ts";
import type { Length } from "../logic/lengths.ts";
import { zone } from "../settings.ts";

const now = signal(Date.now());
setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, 1_000);

/** Now, to the second, and the zone. Reading it draws the component again every second. */
export const clock = computed<Clock>(() => ({
  now: now.value,
  zone: zone.value === "utc" ? "UTC" : undefined,
}));

/** The clock for what needs not be drawn again every second. */
export const stillClock = (): Clock => ({ now: Date.now(), zone: zone.value === "utc" ? "UTC" : undefined });

/** The zone in words, as it stands in the footer and on axes. */
export const zoneWord = computed(() => {
  if (zone.value === "utc") return "UTC";
  const offset = -new Date().getTimezoneOffset();
  if (offset === 0) return "UTC";
  const hours = Math.floor(Math.abs(offset) / 60);
  const minutes = Math.abs(offset) % 60;
  return `UTC${offset < 0 ? "−" : "+"}${hours}${minutes ? `:${String(minutes).padStart(2, "0")}` : ""}`;
});

/** A time; whole, with zone and age, in its tip. */
export function Time({ at }: { at: string | null | undefined }) {
  if (!at) return <span class="muted">–</span>;
  const still = stillClock();
  return (
    <time class="num" dateTime={at} title={`${at} · ${ago(at, still)}`}>
      {time(at, still)}
    </time>
  );
}

/** `3 m ago`, kept true. */
export function Ago({ at }: { at: string | null | undefined }) {
  if (!at) return <span class="muted">–</span>;
  return (
    <time class="num" dateTime={at} title={`${time(at, clock.value)} ${zoneWord.value}`}>
      {ago(at, clock.value)}
    </time>
  );
}

/** How long something lasts; without `to`, until now. */
export function Lasting({ from, to }: { from: string | null | undefined; to?: string | null }) {
  if (!from) return <span class="muted">–</span>;
  const end = to ? Date.parse(to) : clock.value.now;
  return (
    <span class="num">
      {duration(Math.max(0, Math.round((end - Date.parse(from)) / (to ? 1 : 1000)) / (to ? 1000 : 1)))}
    </span>
  );
}

/** How long something waited or ran; `3 s so far`, kept true, while it does, and `3 s+` where there is little room. */
export function HowLong({ of: lengthAt, small }: { of: (now: number) => Length; small?: boolean }) {
  if (!lengthAt(Date.now()).isSoFar) return <>{duration(lengthAt(Date.now()).seconds)}</>;
  const { seconds } = lengthAt(clock.value.now);
  // It may end, or begin, between the two looks.
  const length = seconds === null ? NONE : duration(seconds);
  return small ? (
    <span class="num" title={`${length} so far`}>
      {length}
      <span aria-hidden="true">+</span>
      <span class="sr"> so far</span>
    </span>
  ) : (
    <span class="num">{length} so far</span>
  );
}
