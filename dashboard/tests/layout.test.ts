import assert from "node:assert/strict";
import test from "node:test";
import { type Fold, foldsOf, linesOf, type Step, tally } from "../src/logic/fold.ts";
import { layOut } from "../src/logic/layout.ts";

type Line = [number, number];

/** Whole numbers below a bound, the same for the same seed. */
function dice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state % below;
  };
}

function anyGraph(seed: number): [number, Line[]] {
  const throwOf = dice(seed);
  const boxes = 1 + throwOf(60);
  const lines = new Map<string, Line>();
  for (let times = throwOf(120); times > 0; times -= 1) {
    const [a, b] = [throwOf(boxes), throwOf(boxes)];
    if (a !== b) lines.set(`${Math.min(a, b)} ${Math.max(a, b)}`, [Math.min(a, b), Math.max(a, b)]);
  }
  return [boxes, [...lines.values()]];
}

const step = (id: string, name: string, depends_on: string[] = [], status = "COMPLETED"): Step => ({
  id,
  task_name: name,
  status,
  depends_on,
});

/** One begins, `count` of the same follow, one ends. */
const fan = (count: number, failed: number[] = []): Step[] => [
  step("begin", "read"),
  ...Array.from({ length: count }, (_, index) =>
    step(`one-${index}`, "resize", ["begin"], failed.includes(index) ? "FAILED" : "COMPLETED"),
  ),
  step(
    "end",
    "load",
    Array.from({ length: count }, (_, index) => `one-${index}`),
  ),
];
const shown = (folds: Fold[]) => folds.map((fold) => fold.steps.length);

test("no box lies on another, and no line leads back", () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const [boxes, lines] = anyGraph(seed);
    const found = layOut(boxes, lines);
    for (const [from, to] of lines) assert.ok(found.layers[from]! < found.layers[to]!, `seed ${seed}`);
    for (const layer of found.order)
      for (let index = 1; index < layer.length; index += 1) {
        const distance = found.rows[layer[index]!]! - found.rows[layer[index - 1]!]!;
        assert.ok(distance > 0.999, `seed ${seed}: ${distance}`);
      }
    assert.equal(found.order.flat().length, boxes);
    assert.ok(found.rows.every((row) => row >= 0.499 && row <= found.height - 0.499));
  }
});

test("the same graph is always laid out alike", () => {
  for (let seed = 1; seed <= 20; seed += 1)
    assert.deepEqual(layOut(...anyGraph(seed)), layOut(...anyGraph(seed)));
});

test("each box stands one column behind the last that it waits for", () => {
  const found = layOut(4, [
    [0, 1],
    [1, 2],
    [0, 2],
    [2, 3],
  ]);
  assert.deepEqual(found.layers, [0, 1, 2, 3]);
  assert.equal(found.columns, 4);
});

test("lines that need not cross do not", () => {
  const found = layOut(4, [
    [0, 3],
    [1, 2],
  ]);
  assert.equal(found.rows[0]! < found.rows[1]!, found.rows[3]! < found.rows[2]!);
});

test("a chain is straight, and one before a fan stands at its middle", () => {
  assert.equal(new Set(layOut(3, [[0, 1], [1, 2]]).rows).size, 1); // biome-ignore format: short
  const found = layOut(
    4,
    [1, 2, 3].map((to): Line => [0, to]),
  );
  assert.ok(Math.abs(found.rows[0]! - found.rows[2]!) < 0.001);
});

test("nothing, a circle and a line over many layers are borne", () => {
  assert.deepEqual(layOut(0, []).rows, []);
  assert.equal(layOut(2, [[0, 1], [1, 0]]).rows.length, 2); // biome-ignore format: short
  const chain = Array.from({ length: 19 }, (_, at): Line => [at, at + 1]);
  assert.equal(layOut(20, [...chain, [0, 19]]).columns, 20);
});

test("a fan becomes one, in the place of its first step", () => {
  const steps = fan(98);
  const folds = foldsOf(steps);
  assert.deepEqual(shown(folds), [1, 98, 1]);
  assert.deepEqual(linesOf(steps, folds), [
    [0, 1],
    [1, 2],
  ]);
});

test("of a fan with a failure the failed one stands alone", () => {
  const steps = fan(12, [7]);
  const folds = foldsOf(steps);
  assert.deepEqual(shown(folds), [1, 11, 1, 1]);
  assert.equal(steps[folds[2]!.steps[0]!]!.id, "one-7");
  assert.deepEqual(shown(foldsOf(fan(98, [...Array(40).keys()]))), [1, 98, 1]);
});

test("small fans, opened ones and others' steps stay apart", () => {
  assert.deepEqual(shown(foldsOf(fan(3))), [1, 1, 1, 1, 1]);
  assert.deepEqual(shown(foldsOf(fan(5), { opened: new Set(["fan one-0"]) })).length, 7);
  assert.equal(foldsOf(fan(5), { folds: false }).length, 7);
  const two = [
    step("a", "x"),
    step("b", "x"),
    ...["1", "2", "3", "4"].map((id) => step(id, "y", [+id < 3 ? "a" : "b"])),
  ];
  assert.equal(foldsOf(two).length, 6);
});

test("what needs a person is told first", () => {
  assert.deepEqual(tally(["COMPLETED", "FAILED", "COMPLETED", "RUNNING"]), [
    ["FAILED", 1],
    ["RUNNING", 1],
    ["COMPLETED", 2],
  ]);
});
