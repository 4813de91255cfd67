import assert from "node:assert/strict";
import { test } from "node:test";
import { type Durations, heatOf, shadeOf } from "../src/pages/analytics/heat.ts";

const found: Durations = {
  since: "2026-03-01T10:00:00Z",
  until: "2026-03-01T12:00:00Z",
  interval: "hourly",
  upper_seconds: [0.1, 0.2, 0.4, 0.8],
  data: [
    { bucket: "2026-03-01T10:00:00Z", counts: [0, 3, 0, 0] },
    { bucket: "2026-03-01T11:00:00Z", counts: [0, 0, 9, 0] },
  ],
};

test("only durations that occurred are rows, the longest first", () => {
  const heat = heatOf(found);
  assert.deepEqual(
    heat.rows.map((row) => [row.from, row.to, row.counts]),
    [
      [0.2, 0.4, [0, 9]],
      [0.1, 0.2, [3, 0]],
    ],
  );
  assert.equal(heat.top, 9);
});

test("where nothing ended there is no row", () => {
  assert.deepEqual(heatOf({ ...found, upper_seconds: [], data: [] }).rows, []);
});

test("one run is seen beside a million, and none is not", () => {
  assert.equal(shadeOf(0, 1e6), 0);
  assert.equal(shadeOf(1, 1e6), 1);
  assert.equal(shadeOf(1e6, 1e6), 5);
  assert.equal(shadeOf(1, 1), 5);
});
