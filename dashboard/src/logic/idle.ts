// An axis of time from which long idle stretches are cut, so that what was done beside them can be read. Pure.

import { ticks } from "./story.ts";

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
/** How long a break is drawn, as part of the time that is kept. */
const BREAK = 0.04;

/**
 * Return the axis from `from` to `to`. Of the stretches in which nothing of `work` was done the longest are cut, until
 * the work takes half of what is left.
 */
export function axisOf(from: number, to: number, work: readonly Span[]): TimeAxis {
  const idle = idleOf(from, to, work);
  const lengthOf = (spans: readonly Span[]) => spans.reduce((sum, one) => sum + one.to - one.from, 0);
  const busy = to - from - lengthOf(idle);
  let rest = lengthOf(idle);
  const cuts: Span[] = [];
  for (const one of [...idle].sort((a, b) => b.to - b.from - (a.to - a.from))) {
    if (busy === 0 || rest <= busy || one.to - one.from < LEAST_CUT * (to - from)) break;
    cuts.push(one);
    rest -= one.to - one.from;
  }
  cuts.sort((a, b) => a.from - b.from);
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
