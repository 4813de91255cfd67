import assert from "node:assert/strict";
import test from "node:test";
import { fixedAt, justAfter, looksBack } from "../src/logic/moments.ts";

const now = Date.parse("2026-11-26T12:00:00Z");
const fixed = (text: string, until?: string) =>
  Object.fromEntries(fixedAt(new URLSearchParams(text), now, until));

test("as of now, what looks back is a time, and everything else as it was", () => {
  assert.deepEqual(fixed("status=FAILED&created_after=-24h&completed_before=-90m&search=-24h"), {
    status: "FAILED",
    created_after: "2026-11-25T12:00:00.000Z",
    completed_before: "2026-11-26T10:30:00.000Z",
    search: "-24h",
  });
  assert.deepEqual(fixed("after=-1.5d&before=2026-11-01"), {
    after: "2026-11-25T00:00:00.000Z",
    before: "2026-11-01",
  });
  assert.equal(fixedAt(new URLSearchParams("status=A&status=B"), now).toString(), "status=A&status=B");
});

test("an open end is closed, and one that is set stays", () => {
  assert.deepEqual(fixed("", "created_before"), { created_before: "2026-11-26T12:00:00.000Z" });
  assert.deepEqual(fixed("created_before=-1h", "created_before"), {
    created_before: "2026-11-26T11:00:00.000Z",
  });
});

test("only a relative time looks back", () => {
  assert.equal(looksBack(new URLSearchParams("created_after=-24h")), true);
  assert.equal(looksBack(new URLSearchParams("created_after=2026-11-01&search=-24h&after=-24x")), false);
  assert.deepEqual(fixed("after=-999999999999999d"), { after: "-999999999999999d" });
});

test("just after a time is the microsecond that follows, in the zone that was given", () => {
  assert.equal(justAfter("2026-11-26T12:00:00.123456Z"), "2026-11-26T12:00:00.123457Z");
  assert.equal(justAfter("2026-11-26T12:00:00.5Z"), "2026-11-26T12:00:00.500001Z");
  assert.equal(justAfter("2026-11-26T12:00:00+00:00"), "2026-11-26T12:00:00.000001+00:00");
  assert.equal(justAfter("2026-11-26T23:59:59.999999Z"), "2026-11-27T00:00:00.000Z");
});
