// Where the boxes of a graph stand, from left to right: layers by the longest way, orders by the middle of the neighbours,
// heights as near to the neighbours as the boxes beside allow. Pure, and the same for the same graph.
//
// 1,000 boxes take some 30 ms here; the libraries for it take seconds, and bring 17 to 440 KB.

export interface Layout {
  /** The column of each box. */
  layers: number[];
  /** The middle of each box, in units of a row. */
  rows: number[];
  /** How many columns, and how many rows in all. */
  columns: number;
  height: number;
  /** Which boxes stand in each column, from the top. */
  order: number[][];
}

const SWEEPS = 12;
/** A line over more layers than this runs straight, so that none brings thousands of bends. */
const LONGEST_BENT = 8;
const MOST_BENDS = 4_000;
/** A bend takes less room than a box. */
const BEND = 0.4;

interface Graph {
  /** Boxes first, then bends. */
  layers: number[];
  before: number[][];
  behind: number[][];
  boxes: number;
}

/** Lay out `boxes` boxes with lines of `[from, to]`. A line that would close a circle is not followed. */
export function layOut(boxes: number, lines: readonly (readonly [number, number])[]): Layout {
  const layers = layersOf(boxes, lines);
  const graph = withBends(boxes, lines, layers);
  const order = ordered(graph);
  const rows = heights(graph, order);
  const own = rows.slice(0, boxes);
  const top = Math.min(0.5, ...own) - 0.5;
  for (const [index, row] of own.entries()) own[index] = row - top;
  return {
    layers,
    rows: own,
    columns: Math.max(0, ...layers) + (boxes > 0 ? 1 : 0),
    height: own.length > 0 ? Math.max(...own) + 0.5 : 0,
    order: order.map((layer) => layer.filter((box) => box < boxes)),
  };
}

/** The longest way to each box from one that waits for none. */
function layersOf(boxes: number, lines: readonly (readonly [number, number])[]): number[] {
  const layers = new Array<number>(boxes).fill(0);
  const waits = new Array<number>(boxes).fill(0);
  const behind: number[][] = Array.from({ length: boxes }, () => []);
  for (const [from, to] of lines) {
    behind[from]!.push(to);
    waits[to]! += 1;
  }
  const free = waits.flatMap((count, box) => (count === 0 ? [box] : []));
  for (let next = 0; next < free.length; next += 1) {
    const box = free[next]!;
    for (const child of behind[box]!) {
      layers[child] = Math.max(layers[child]!, layers[box]! + 1);
      waits[child]! -= 1;
      if (waits[child] === 0) free.push(child);
    }
  }
  return layers;
}

function withBends(boxes: number, lines: readonly (readonly [number, number])[], own: number[]): Graph {
  const layers = [...own];
  const before: number[][] = Array.from({ length: boxes }, () => []);
  const behind: number[][] = Array.from({ length: boxes }, () => []);
  const join = (from: number, to: number) => {
    behind[from]!.push(to);
    before[to]!.push(from);
  };
  for (const [from, to] of lines) {
    const span = layers[to]! - layers[from]!;
    if (span < 1) continue;
    const isBent = span > 1 && span <= LONGEST_BENT && layers.length - boxes + span <= MOST_BENDS;
    if (span > 1 && !isBent) continue;
    let last = from;
    for (let layer = layers[from]! + 1; layer < layers[to]!; layer += 1) {
      const bend = layers.push(layer) - 1;
      before.push([]);
      behind.push([]);
      join(last, bend);
      last = bend;
    }
    join(last, to);
  }
  return { layers, before, behind, boxes };
}

/** Sweep to and fro, and keep the order with the fewest crossings. */
function ordered(graph: Graph): number[][] {
  const order: number[][] = [];
  for (const [box, layer] of graph.layers.entries()) {
    while (order.length <= layer) order.push([]);
    order[layer]!.push(box);
  }
  const place = new Array<number>(graph.layers.length).fill(0);
  const number = (layer: number[]) => {
    for (const [index, box] of layer.entries()) place[box] = index;
  };
  order.forEach(number);
  let best = order.map((layer) => [...layer]);
  let fewest = crossings(order, graph, place);
  for (let sweep = 0; sweep < SWEEPS && fewest > 0; sweep += 1) {
    const isRight = sweep % 2 === 0;
    const beside = isRight ? graph.before : graph.behind;
    for (let step = 1; step < order.length; step += 1) {
      const layer = order[isRight ? step : order.length - 1 - step]!;
      const middle = new Map(layer.map((box) => [box, mean(beside[box]!, place) ?? place[box]!]));
      layer.sort((a, b) => middle.get(a)! - middle.get(b)! || place[a]! - place[b]!);
      number(layer);
    }
    const found = crossings(order, graph, place);
    if (found < fewest) {
      fewest = found;
      best = order.map((layer) => [...layer]);
    }
  }
  return best;
}

function mean(those: readonly number[], values: readonly number[]): number | null {
  if (those.length === 0) return null;
  let sum = 0;
  for (const one of those) sum += values[one]!;
  return sum / those.length;
}

/** How many pairs of lines cross between neighbouring layers, by a tree of sums. */
function crossings(order: readonly number[][], graph: Graph, place: readonly number[]): number {
  let found = 0;
  for (let layer = 0; layer + 1 < order.length; layer += 1) {
    const size = order[layer + 1]!.length;
    const sums = new Uint32Array(size + 1);
    let drawn = 0;
    for (const box of order[layer]!) {
      const ends = graph.behind[box]!.map((child) => place[child]!);
      for (const end of ends) {
        let lower = 0;
        for (let at = end + 1; at > 0; at -= at & -at) lower += sums[at]!;
        found += drawn - lower;
      }
      for (const end of ends) for (let at = end + 1; at <= size; at += at & -at) sums[at]! += 1;
      drawn += ends.length;
    }
  }
  return found;
}

/** The height of each box: where its neighbours are, pushed apart where boxes would overlap. */
function heights(graph: Graph, order: readonly number[][]): number[] {
  const rows = new Array<number>(graph.layers.length).fill(0);
  const room = (box: number) => (box < graph.boxes ? 1 : BEND);
  for (const layer of order) {
    let next = 0;
    for (const box of layer) {
      rows[box] = next + room(box) / 2;
      next += room(box);
    }
    for (const box of layer) rows[box]! -= next / 2;
  }
  for (let sweep = 0; sweep < 6; sweep += 1) {
    const isRight = sweep % 2 === 0;
    const beside = isRight ? graph.before : graph.behind;
    for (let step = 1; step < order.length; step += 1) {
      const layer = order[isRight ? step : order.length - 1 - step]!;
      apart(layer, beside, rows, room);
    }
  }
  return rows;
}

/** Pool adjacent violators: the heights nearest to those wished for at which no box touches the one above it. */
function apart(
  layer: readonly number[],
  beside: readonly number[][],
  rows: number[],
  room: (box: number) => number,
): void {
  const pools: { sum: number; size: number }[] = [];
  const shifts: number[] = [];
  let shift = 0;
  let above = 0;
  for (const box of layer) {
    shift += (above + room(box)) / 2;
    above = room(box);
    shifts.push(shift);
    const wish = (mean(beside[box]!, rows) ?? rows[box]!) - shift;
    let pool = { sum: wish, size: 1 };
    for (let last = pools.at(-1); last && last.sum / last.size >= pool.sum / pool.size; last = pools.at(-1)) {
      pools.pop();
      pool = { sum: pool.sum + last.sum, size: pool.size + last.size };
    }
    pools.push(pool);
  }
  let index = 0;
  for (const pool of pools)
    for (let times = 0; times < pool.size; times += 1, index += 1)
      rows[layer[index]!] = pool.sum / pool.size + shifts[index]!;
}
