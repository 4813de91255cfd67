import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import test from "node:test";
import { celeriac, curl, quoted } from "../src/logic/curl.ts";

test("a shell gives back what was quoted, whatever it is", () => {
  for (const text of ["plain", "two words", "it's", "$(rm -rf ~)", "`id`", "a\nb", "–é\u202e", '"'])
    assert.equal(execFileSync("sh", ["-c", `printf %s ${quoted(text)}`], { encoding: "utf8" }), text);
});

test("the key is never in the command", () => {
  assert.equal(
    curl("POST", "http://h/api/v1/tasks/a%2Fb/cancel", undefined, true),
    'curl -sS -X POST -H "Authorization: Bearer $CELERIAC_API_KEY" http://h/api/v1/tasks/a%2Fb/cancel',
  );
});

test("a command of the program says where the server is, unless that is where it asks by itself", () => {
  const task = (server: string) => celeriac(server, ["task", "a b"]);
  assert.equal(task("http://127.0.0.1:8000/"), "celeriac task 'a b'");
  assert.equal(task("http://localhost:8000/"), "celeriac task 'a b'");
  assert.equal(task("http://127.0.0.1:80001/"), "celeriac task 'a b' --url http://127.0.0.1:80001");
  assert.equal(
    task("https://example.com/tasks of ann/"),
    "celeriac task 'a b' --url 'https://example.com/tasks of ann'",
  );
  assert.equal(celeriac("http://h:9000/", ["keys", "list"]), "celeriac keys list");
});
