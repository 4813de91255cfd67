import assert from "node:assert/strict";
import test from "node:test";
import { nameOfPrincipal } from "../src/logic/principals.ts";

test("somebody is told by a name, and a key that nobody can name by its id", () => {
  const keys = new Map([["k7Qm", "etl"]]);
  assert.equal(nameOfPrincipal("api_key:k7Qm", keys), "etl");
  assert.equal(nameOfPrincipal("api_key:gone", keys), "key gone");
  assert.equal(nameOfPrincipal("api_key:k7Qm"), "key k7Qm");
  assert.equal(nameOfPrincipal("local"), "somebody without a key");
  assert.equal(nameOfPrincipal("local:local"), "somebody without a key");
  assert.equal(nameOfPrincipal("env_key:2"), "key 2 of CELERIAC_API_KEYS");
  assert.equal(nameOfPrincipal("oidc:https://a:b"), "https://a:b");
  assert.equal(nameOfPrincipal("something-new:1"), "something-new:1");
});
