import assert from "node:assert/strict";
import test from "node:test";
import { whereSaid } from "../src/logic/failing-workers.ts";

/** Each worker as its failures and its runs; `others`: runs where nothing failed. */
const said = (each: [number, number][], others = 0, failures?: number): string => {
  const sampled = each.reduce((sum, [failed]) => sum + failed, 0);
  const by = {
    sampled,
    runs: each.reduce((sum, [, ran]) => sum + ran, others),
    workers: each.map(([count, runs], index) => ({
      worker_id: `id${index}`,
      hostname: `w${index + 3}`,
      count,
      runs,
    })),
  };
  const it = whereSaid(by, failures ?? sampled);
  return it ? `${it.before}${it.worker.hostname}${it.behind}` : "";
};

test("a worker that has far more of the failures than of the runs is named", () => {
  assert.equal(said([[40, 50]], 50), "all on w3, which ran 50 % of them all");
  assert.equal(
    said([
      [80, 100],
      [10, 100],
      [10, 200],
    ]),
    "80 % on w3, which ran 25 % of them all",
  );
  assert.equal(said([[40, 50]], 50, 9_000), "of the newest 40 all on w3, which ran 50 % of them all");
});

test("it need not be the one with most failures", () => {
  assert.equal(
    said([
      [55, 900],
      [45, 100],
    ]),
    "45 % on w4, which ran 10 % of them all",
  );
});

test("no worker is blamed that alone ran the name, or had its share", () => {
  assert.equal(said([[412, 9_000]]), "");
  assert.equal(
    said([
      [90, 900],
      [10, 100],
    ]),
    "",
  );
  assert.equal(
    said([
      [26, 100],
      [25, 100],
      [25, 100],
      [24, 100],
    ]),
    "",
  );
});

test("a few failures are chance", () => {
  assert.equal(said([[1, 10]], 10), "");
  assert.equal(said([[5, 10]], 10), "");
});

test("what nobody knows is not told", () => {
  assert.equal(said([]), "");
});
