// How far back a page looks: `hours` in the address.
import { href, params, place } from "../router.ts";

export const RANGES = [
  [1, "1 h", "the last hour"],
  [6, "6 h", "the last 6 hours"],
  [24, "24 h", "the last 24 hours"],
  [168, "7 d", "the last 7 days"],
  [720, "30 d", "the last 30 days"],
  [2160, "90 d", "the last 90 days"],
] as const;
const USUAL = 24;

/** The hours that are chosen. */
export function chosenHours(): number {
  const hours = Number(params.value.get("hours") ?? USUAL);
  return RANGES.some(([known]) => known === hours) ? hours : USUAL;
}

/** `the last 24 hours`. */
export const rangeWords = (hours: number): string =>
  RANGES.find(([known]) => known === hours)?.[2] ?? `the last ${hours} hours`;

export function Range({ label }: { label: string }) {
  const chosen = chosenHours();
  return (
    <nav class="range" aria-label={label}>
      {RANGES.map(([hours, word]) => {
        const next = new URLSearchParams(params.value);
        if (hours === USUAL) next.delete("hours");
        else next.set("hours", String(hours));
        return (
          <a
            key={hours}
            class="chip"
            href={href(place.value.path, next)}
            aria-current={hours === chosen ? "page" : undefined}
          >
            {word}
          </a>
        );
      })}
    </nav>
  );
}
