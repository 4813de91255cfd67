import assert from "node:assert/strict";
import test from "node:test";
import { calledBy, nameOfPrincipal, originOf } from "../src/logic/principals.ts";

test("somebody is told by a name, and a key that nobody can name by its id", () => {
  const keys = new Map([["k7Qm", "etl"]]);
  assert.equal(nameOfPrincipal("api_key:k7Qm", keys), "etl");
  assert.equal(nameOfPrincipal("api_key:gone", keys), "key gone");
  assert.equal(nameOfPrincipal("api_key:k7Qm"), "key k7Qm");
  assert.equal(nameOfPrincipal("local"), "somebody without a key");
  assert.equal(nameOfPrincipal("local:local"), "somebody without a key");
  assert.equal(nameOfPrincipal("env_key:2"), "key 2 of CELERIAC_API_KEYS");
  assert.equal(nameOfPrincipal("session:k7Qm", keys), "etl");
  assert.equal(nameOfPrincipal("oidc:https://a:b"), "https://a:b");
  assert.equal(nameOfPrincipal("something-new:1"), "something-new:1");
});

test("the name that was noted with an act goes before what is known now", () => {
  assert.equal(calledBy("api_key:k7Qm", "etl", new Map([["k7Qm", "renamed"]])), "etl");
  assert.equal(calledBy("api_key:k7Qm", null, new Map([["k7Qm", "etl"]])), "etl");
  assert.equal(calledBy("local:local", "local"), "somebody without a key");
  assert.equal(calledBy("cli:cli", null), "the command line");
});

test("what stands behind a name is told in words, and not where there is one of a kind", () => {
  const told = [
    ["local", "local"],
    ["cli", "cli"],
    ["api_key", "k7Qm"],
    ["env_key", "1"],
    ["session", "k7Qm"],
    ["oidc", "ann@x"],
  ].map(([kind, id]) => originOf(kind!, id!));
  assert.deepEqual(told, [
    "",
    "",
    "key k7Qm",
    "key 1 of CELERIAC_API_KEYS",
    "signed in as k7Qm",
    "person ann@x",
  ]);
});
