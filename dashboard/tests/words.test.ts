import assert from "node:assert/strict";
import test from "node:test";
import { asOf, asSeen, sentenceOf, WORDS } from "../src/words.ts";

const refused = (status: number) => ({ status, message: "This key may not.", retryAfter: 7 });

test("only what is asked again by itself is said to be", () => {
  for (const status of [0, 429, 500, 503])
    assert.match(asOf("14:02", refused(status)), /^As of 14:02: .*tried again by itself/);
  assert.equal(asOf("14:02", refused(403)), "As of 14:02: it is refused since. This key may not.");
  assert.match(sentenceOf(refused(0), true), /by itself/);
  assert.match(sentenceOf(refused(429), true), /by itself/);
  for (const status of [401, 403, 503]) assert.doesNotMatch(sentenceOf(refused(status), true), /by itself/);
});

test("an action is not said to be tried again", () => {
  for (const status of [0, 401, 403, 429, 503]) assert.doesNotMatch(sentenceOf(refused(status)), /by itself/);
  assert.match(sentenceOf(refused(0)), /whether this was done is not known/);
  assert.match(sentenceOf(refused(429)), /in 7 s/);
  assert.equal(sentenceOf(refused(403)), "This key may not.");
});

test("who does not see all is not told that there is nothing", () => {
  assert.equal(asSeen("No queue is known yet.", false), "No queue is known yet.");
  assert.equal(asSeen("No queue is known yet.", true), "As far as your key sees: no queue is known yet.");
  assert.equal(
    WORDS.seesOnly(["etl"], ["pay", "mail"]),
    "Your key sees only queue etl and names pay, mail. There may be more that it is not shown.",
  );
});
