import assert from "node:assert/strict";
import test from "node:test";
import { whereSaid } from "../src/logic/failing-workers.ts";

const by = (...counts: number[]) => ({
  sampled: counts.reduce((sum, one) => sum + one, 0),
  worker_count: counts.length,
  workers: counts.map((count, index) => ({ worker_id: `id${index}`, hostname: `w${index + 3}`, count })),
});
const said = (counts: number[], failures: number, online: number | null): string => {
  const it = whereSaid(by(...counts), failures, online);
  return it ? `${it.before}${it.worker?.hostname ?? ""}${it.behind}` : "";
};

test("failures on one worker alone are told as such, beside how many there are", () => {
  assert.equal(said([412], 412, 12), "all on w3, of 12 workers");
  assert.equal(said([412], 9_000, 12), "of the newest 412 all on w3, of 12 workers");
  assert.equal(said([1], 1, 12), "on w3, of 12 workers");
  assert.equal(said([1], 2, 12), "the newest on w3, of 12 workers");
  assert.equal(said([5], 5, 1), "all on w3, the only worker");
  assert.equal(said([5], 5, null), "all on w3");
  assert.equal(said([5], 5, 0), "all on w3");
});

test("of several, the one on which far more failed is named, and else none", () => {
  assert.equal(said([80, 10, 6, 4], 100, 12), "on 4 of 12 workers, 80 % on w3");
  assert.equal(said([26, 25, 25, 24], 100, 4), "on 4 of 4 workers, on none far more than on others");
  assert.equal(said([3, 2], 5, 2), "on 2 of 2 workers, on none far more than on others");
  assert.equal(said([9, 1], 10, 2), "on 2 of 2 workers, 90 % on w3");
});

test("workers that are gone are never counted as some of those that are there", () => {
  assert.equal(said([80, 20], 100, 1), "on 2 workers, 80 % on w3");
});

test("what nobody knows is not told", () => {
  assert.equal(said([], 7, 12), "");
});
