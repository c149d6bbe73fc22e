import assert from "node:assert/strict";
import { test } from "node:test";

import { spentOn, stagesOf } from "../src/model/stages";
import { JobEvent } from "../src/model/wire";

const VERBS = [
  { verb: "resolve", before: "requested", after: "resolved" },
  { verb: "prepare", before: "resolved", after: "prepared" },
  { verb: "launch", before: "prepared", after: "running" }
];
const event = (number: number, state: string): JobEvent => ({ number, state, at_s: number, message: "" });
const job = (state: string) => ({ id: "a", name: "a", state });

test("the verb that starts from the job's state is the one under way", () => {
  assert.deepEqual(stagesOf(job("resolved"), VERBS, []), ["done", "now", "ahead"]);
});

test("of a complete job all is done", () => {
  assert.deepEqual(stagesOf(job("complete"), VERBS, []), ["done", "done", "done"]);
});

test("a failed job stopped at the verb after the last state it reached", () => {
  const events = [event(0, "requested"), event(1, "resolved"), event(2, "failed")];
  assert.deepEqual(stagesOf(job("failed"), VERBS, events), ["done", "stopped", "ahead"]);
  assert.deepEqual(stagesOf(job("cancelled"), VERBS, []), ["stopped", "ahead", "ahead"]);
});

test("of a verb that was done twice the last time counts", () => {
  const events = [event(0, "requested"), event(1, "resolved"), event(2, "prepared"), event(20, "resolved"), event(23, "prepared")];
  assert.deepEqual(VERBS.map(verb => spentOn(verb, events)), [20, 3, null]);
});
