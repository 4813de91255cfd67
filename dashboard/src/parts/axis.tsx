// What stands below bars on an axis of time: its labels, and what is cut out of it.
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { duration, period, time } from "../logic/format.ts";
import { clearOf, type Seen, shareOf, ticksOf } from "../logic/idle.ts";
import { stillClock } from "./time.tsx";

const clockAt = (moment: number) => time(new Date(moment).toISOString(), stillClock());

/** The time at which what is seen begins, and how long after that the rest is: `most` labels at most. */
export function Labels({ seen, most }: { seen: Seen; most: number }) {
  const { axis, part, whole } = seen;
  const line = useRef<HTMLSpanElement>(null);
  const [pixels, setPixels] = useState(0);
  useLayoutEffect(() => {
    const watch = new ResizeObserver(([entry]) => setPixels(entry!.contentRect.width));
    watch.observe(line.current!);
    setPixels(line.current!.clientWidth);
    return () => watch.disconnect();
  }, []);
  return (
    <span class="axis-labels" ref={line}>
      <i style={{ left: 0, transform: "none" }}>{clockAt(axis.timeAt(part.from))}</i>
      {clearOf(ticksOf(axis, whole, part, most), pixels).map((tick) => (
        <i key={tick.at} style={{ left: `${tick.at * 100}%` }}>
          +{period(tick.seconds)}
        </i>
      ))}
    </span>
  );
}

/** What the breaks of an axis stand for, those that are seen. */
export function Cuts({ seen }: { seen: Seen }) {
  const cuts = seen.axis.cuts.filter((cut) => shareOf(seen, cut.to) > 0 && shareOf(seen, cut.from) < 100);
  return (
    <>
      {cuts.map((cut) => (
        <p key={cut.from} class="axis-cut num">
          <i data-kind="cut" aria-hidden="true" />
          Nothing ran for {duration((cut.to - cut.from) / 1000)}; from {clockAt(cut.to)} it goes on, and +
          counts anew.
        </p>
      ))}
    </>
  );
}
