// What the page says and `celeriac top` says, too: tests/unit/cli/top/ holds the command to the same table.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { about, count, duration, percent, perMinute, plural } from "../src/logic/format.ts";
import { printable } from "../src/logic/printable.ts";
import { type Situation, verdictOf } from "../src/logic/verdict.ts";

const said = JSON.parse(readFileSync(new URL("./said.json", import.meta.url), "utf8"));
const usual = {
  now: Date.parse("2026-11-26T12:00:00Z"),
  health: { status: "healthy" },
  stats: { total_tasks_submitted: 10, queue_depth: 0, parked: 0 },
  alerts: [],
};

for (const { why, situation, tone, text, rest, others = [] } of said.verdicts)
  test(`as in the terminal: ${why}`, () => {
    const verdict = verdictOf({ ...usual, ...situation } as unknown as Situation);
    assert.deepEqual([verdict.tone, verdict.text, verdict.rest], [tone, text, rest]);
    assert.deepEqual(
      verdict.others.map((one) => one.text),
      others,
    );
  });

test("numbers are written as in the terminal", () => {
  for (const [value, words] of said.about) assert.equal(about(value), words);
  for (const [value, words] of said.duration) assert.equal(duration(value), words);
  for (const [value, words] of said.percent) assert.equal(percent(value), words);
  for (const [value, isExact, words] of said.plural)
    assert.equal(plural(value, "task", undefined, isExact), words);
  for (const [value, words] of said.count) assert.equal(count(value), words);
  for (const [value, words] of said.perMinute)
    assert.equal(perMinute(value === null ? null : value / 60), words);
});

test("what others wrote is shown as in the terminal, but for its lines", () => {
  for (const [text, shown] of said.printable) assert.equal(printable(text), shown);
  assert.equal(printable("Traceback\r\n\tat \u202e\n"), "Traceback\n\tat \\u202e\n");
  assert.equal(printable("one\n\ttwo"), "one\n\ttwo");
});
