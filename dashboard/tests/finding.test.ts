import assert from "node:assert/strict";
import test from "node:test";
import { looksLikeId, MOST_OF_A_KIND, matching, mayBeginId, type Thing } from "../src/logic/finding.ts";

const ID = "01a2270d-9d93-769b-8979-fba3d8f2d6ad";
const thing = (kind: string, label: string, id = label): Thing => ({ kind, id, label, to: `/${label}` });
const labels = (things: readonly Thing[], text: string) => matching(things, text).map((one) => one.label);

test("a thing is found by a part of its name, by its kind, and by what its id begins with", () => {
  const things = [
    thing("queue", "celery"),
    thing("worker", "worker-1@vm"),
    thing("workflow", "nightly-report", ID),
  ];
  assert.deepEqual(labels(things, "cel"), ["celery"]);
  assert.deepEqual(labels(things, " QUEUE  celery "), ["celery"]);
  assert.deepEqual(labels(things, "1@vm"), ["worker-1@vm"]);
  assert.deepEqual(labels(things, "01a227"), ["nightly-report"]);
  assert.deepEqual(labels(things, "9d93"), []);
  assert.deepEqual(labels(things, "report queue"), []);
  assert.deepEqual(labels(things, "  "), []);
});

test("of a kind the one that is named comes first, then what begins so, else they stay as they came", () => {
  const things = ["email-retry", "old-mail", "mail-eu", "mail"].map((name) => thing("queue", name));
  assert.deepEqual(labels(things, "mail"), ["mail", "mail-eu", "email-retry", "old-mail"]);
  const many = Array.from({ length: 50 }, (_, nth) => thing("queue", `mail-${nth}`));
  assert.equal(labels([...many, thing("worker", "mailer@h")], "mail").length, MOST_OF_A_KIND + 1);
});

test("a whole id brings what has it before all else", () => {
  const things = [thing("queue", `of-${ID}`), thing("task", "pay", ID)];
  assert.deepEqual(labels(things, ID), ["pay", `of-${ID}`]);
});

test("ids are told from names", () => {
  assert.ok(looksLikeId(ID));
  assert.ok(!looksLikeId("nightly-report"));
  for (const begins of ["01a2", "01a2270d-9d", ID, ID.replaceAll("-", "")])
    assert.ok(mayBeginId(begins), begins);
  for (const other of ["01a", "beef-queue", `${ID}0`, "face --"]) assert.ok(!mayBeginId(other), other);
});
