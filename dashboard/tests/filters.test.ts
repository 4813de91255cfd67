import assert from "node:assert/strict";
import test from "node:test";
import {
  chipOf,
  FILTERS,
  filtersOfParams,
  paramsOfFilters,
  parse,
  queryOf,
  stillFits,
  textOf,
  tokensOf,
  withoutToken,
  withToken,
} from "../src/logic/filters.ts";

test("a task that has gone on no longer fits the status or the phase that was asked for", () => {
  const asked = (text: string) => new URLSearchParams(text);
  const ended = { status: "COMPLETED", phase: "finished" };
  assert.equal(stillFits(asked("status=PENDING"))(ended), false);
  assert.equal(stillFits(asked("status=PENDING&status=COMPLETED"))(ended), true);
  assert.equal(stillFits(asked("phase=dispatching"))({ status: "PENDING", phase: "queued" }), false);
  assert.equal(stillFits(asked("phase=queued&status=PENDING"))({ status: "PENDING", phase: "queued" }), true);
  assert.equal(stillFits(asked("queue_name=q"))(ended), true);
});

test("what is said of a phase or of replays is asked for as the API has it", () => {
  assert.deepEqual(
    parse("phase:dispatching replay:true").tokens.map(({ param, value }) => [param, value]),
    [
      ["phase", "dispatching"],
      ["is_replay", "true"],
    ],
  );
  assert.deepEqual(filtersOfParams(new URLSearchParams("is_replay=true&phase=queued")), {
    is_replay: true,
    phase: "queued",
  });
});

test("words with a colon are filters, the rest is searched as it was typed", () => {
  const { tokens, words } = parse('status:failed queue:"two words" pay "order 17" -refund name:a:b http://x');
  assert.deepEqual(
    tokens.map(({ param, value }) => [param, value]),
    [
      ["status", "FAILED"],
      ["queue_name", "two words"],
      ["task_name", "a:b"],
    ],
  );
  assert.equal(words, 'pay "order 17" -refund http://x');
});

test("a chip says on which side of a time or a number it chooses", () => {
  const { tokens } = parse(
    "ended:2026-11-27T20:00:00Z created:-24h endedbefore:-1h longer:10 name:pay phase:dispatching by:local",
  );
  assert.deepEqual(
    tokens.map((token) => Object.values(chipOf(token)).join(" ")),
    [
      "ended after 2026-11-27T20:00:00Z",
      "created after 24 h ago",
      "ended before 1 h ago",
      "ran at least 10 s",
      "name pay",
      "phase not sent yet",
      "submitted by somebody without a key",
    ],
  );
});

test("a filter without a value is still being typed: it is searched, not lost", () => {
  assert.deepEqual(parse("queue:"), { tokens: [], words: "queue:" });
});

test("what is typed goes into the address and comes back the same", () => {
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 48271) % 2147483647;
    return seed % below;
  };
  const values = ["FAILED", "a b", "-24h", "é/ü", "x:y", "100%", "&=?"];
  for (let round = 0; round < 200; round += 1) {
    let params = new URLSearchParams();
    for (let count = random(5); count > 0; count -= 1) {
      const filter = FILTERS[random(FILTERS.length)]!;
      const value = filter.param === "status" ? "FAILED" : values[random(values.length)]!;
      params = withToken(params, { param: filter.param, word: filter.word, value });
    }
    let again = new URLSearchParams();
    for (const token of tokensOf(params))
      for (const one of parse(textOf(token)).tokens) again = withToken(again, one);
    assert.deepEqual([...again].sort(), [...new URLSearchParams(params.toString())].sort());
  }
});

test("of statuses there may be several, of everything else one", () => {
  let params = new URLSearchParams("status=FAILED&queue_name=a&sort_by=status&peek=1");
  params = withToken(params, { param: "status", word: "status", value: "RUNNING" });
  params = withToken(params, { param: "queue_name", word: "queue", value: "b" });
  assert.equal(queryOf(params).toString(), "status=FAILED&queue_name=b&status=RUNNING");
  params = withoutToken(params, { param: "status", value: "FAILED" });
  assert.deepEqual(params.getAll("status"), ["RUNNING"]);
});

test("a stored filter and an address say the same", () => {
  const filters = { status: ["FAILED"], min_duration: 5, created_after: "-24h", queue_name: null };
  const params = paramsOfFilters(filters);
  assert.equal(params.toString(), "status=FAILED&min_duration=5&created_after=-24h");
  assert.deepEqual(filtersOfParams(params), { status: ["FAILED"], min_duration: 5, created_after: "-24h" });
});
