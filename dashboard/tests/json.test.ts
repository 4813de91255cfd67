import assert from "node:assert/strict";
import test from "node:test";
import { parseExact, writeExact } from "../src/api/json.ts";

test("integers beyond a double keep every digit on the way in and out", () => {
  const text = '{"id":1970670598291982290,"deep":[-9223372036854775808,7],"text":"1970670598291982290"}';
  const value = parseExact(text) as { id: bigint; deep: unknown[]; text: string };
  assert.equal(value.id, 1970670598291982290n);
  assert.deepEqual(value.deep, [-9223372036854775808n, 7]);
  assert.equal(value.text, "1970670598291982290");
  assert.equal(writeExact(value), text);
});

test("what has no long numbers is plain JSON", () => {
  assert.deepEqual(parseExact('{"a":[1,2.5,null]}'), { a: [1, 2.5, null] });
  assert.equal(writeExact(undefined), "null");
});
