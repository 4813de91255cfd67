// An axis of time from which long idle stretches are cut, so that what was done beside them can be read. Pure.

export interface Span {
  from: number;
  to: number;
}

export interface TimeAxis {
  /** What is cut, the oldest first. */
  cuts: readonly Span[];
  /** How long the axis is: the time that is kept, and some for each break. */
  length: number;
  /** Where a time is on it, from 0 to `length`. */
  placeOf: (time: number) => number;
  /** Which time is at a place; within a break, the time at its end. */
  timeAt: (place: number) => number;
}

/** An idle stretch of less than this part of the whole stays: so there are nine breaks at most. */
const LEAST_CUT = 0.1;
/** Work that takes so much of the whole is seen without a cut. */
const SEEN = 0.25;
/** How long a break is drawn, as part of the time that is kept. */
const BREAK = 0.04;

/**
 * Return the axis from `from` to `to`. Where `work` takes less than a quarter of it, every long stretch in which nothing
 * of it was done is cut; pauses that leave the work to be seen stay as long as they were.
 */
export function axisOf(from: number, to: number, work: readonly Span[]): TimeAxis {
  const idle = idleOf(from, to, work);
  const lengthOf = (spans: readonly Span[]) => spans.reduce((sum, one) => sum + one.to - one.from, 0);
  const busy = to - from - lengthOf(idle);
  const isLong = (one: Span) => one.to - one.from >= LEAST_CUT * (to - from);
  const cuts = busy > 0 && busy < SEEN * (to - from) ? idle.filter(isLong) : [];
  const rest = lengthOf(idle) - lengthOf(cuts);
  const broken = BREAK * (busy + rest);
  const placeOf = (time: number) => {
    let place = time - from;
    for (const cut of cuts) {
      if (time <= cut.from) break;
      const into = Math.min(time, cut.to) - cut.from;
      place += (into / (cut.to - cut.from)) * broken - into;
    }
    return place;
  };
  const timeAt = (place: number) => {
    let time = from + place;
    for (const cut of cuts) {
      if (time <= cut.from) break;
      time = Math.max(cut.to, time + cut.to - cut.from - broken);
    }
    return time;
  };
  return { cuts, length: busy + rest + cuts.length * broken, placeOf, timeAt };
}

/** Return the stretches that no work covers. */
function idleOf(from: number, to: number, work: readonly Span[]): Span[] {
  const idle: Span[] = [];
  let here = from;
  for (const one of [...work].sort((a, b) => a.from - b.from)) {
    if (one.from > here) idle.push({ from: here, to: Math.min(one.from, to) });
    here = Math.max(here, one.to);
    if (here >= to) break;
  }
  if (here < to) idle.push({ from: here, to });
  return idle;
}

/** The axis, the part of it that is seen (in places on it), and the times at its ends. */
export interface Seen {
  axis: TimeAxis;
  part: Span;
  whole: Span;
}

/** Return where a time is in what is seen, from 0 to 100. */
export const shareOf = ({ axis, part }: Seen, time: number): number =>
  ((axis.placeOf(time) - part.from) / (part.to - part.from)) * 100;

/** Return the place of a bar as it is styled; what is shorter than can be seen stays seen, at the very end too. */
export function placedOn(seen: Seen, span: Span): { left: string; width: string } | { display: string } {
  const [from, to] = [shareOf(seen, span.from), shareOf(seen, span.to)];
  if (to < 0 || from > 100) return { display: "none" };
  const left = Math.max(0, from);
  return {
    left: `min(${left}%, 100% - 3px)`,
    width: `max(3px, ${Math.max(0, Math.min(100, to) - left)}%)`,
  };
}

/** A label below an axis: the time since the beginning of its section, which begins behind a break. */
export interface Tick {
  /** From 0 to 1, of what is seen. */
  at: number;
  seconds: number;
}

/** So near to the beginning of the axis its own label stands, and so near to a break none does. */
const NEAR = { beginning: 0.2, break: 0.08 };

/** Return the labels of the part of an axis that is seen, `most` at most; each section has whole units of its own. */
export function ticksOf(axis: TimeAxis, whole: Span, seen: Span, most: number): Tick[] {
  const width = seen.to - seen.from;
  const share = (time: number) => (axis.placeOf(time) - seen.from) / width;
  const ends = [...axis.cuts.map((cut) => cut.from), whole.to];
  return [whole.from, ...axis.cuts.map((cut) => cut.to)].flatMap((begin, index) => {
    // Within a section the axis is as long as its time.
    const from = begin + Math.max(0, seen.from - axis.placeOf(begin));
    const to = Math.min(ends[index]!, begin + seen.to - axis.placeOf(begin));
    const wanted = Math.round((most * (to - from)) / width);
    if (wanted < 1) return [];
    const first = share(from) < NEAR.break / 2 ? NEAR.beginning : share(from) + NEAR.break;
    return ticks(from, to, wanted)
      .map((time) => ({ at: share(time), seconds: (time - from) / 1000 }))
      .filter((tick) => tick.at >= first);
  });
}

/** How wide labels are, in pixels, with some room: the time at the beginning, and those that end at their place. */
const LABEL_PX = { beginning: 76, tick: 48 };

/** Return the labels that stand clear of each other on an axis so many pixels wide. */
export function clearOf(labels: readonly Tick[], pixels: number): Tick[] {
  let end = LABEL_PX.beginning;
  return labels.filter((label) => {
    if (label.at * pixels - LABEL_PX.tick < end) return false;
    end = label.at * pixels;
    return true;
  });
}

/** Return places for labels of an axis, as times: about five, at whole units. */
export function ticks(from: number, to: number, most: number): number[] {
  const steps = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 3e4, 6e4, 12e4, 3e5, 6e5, 18e5, 36e5, 72e5, 216e5,
    432e5, 864e5, 6048e5,
  ];
  const step = steps.find((one) => (to - from) / one <= most) ?? (to - from) / most;
  const found: number[] = [];
  for (let time = from; time <= to; time += step) found.push(time);
  return found;
}
