import assert from "node:assert/strict";
import { test } from "node:test";

import { ago, aloud, bounded, briefly, bytes, duration, handsOf, hostsOf, instant, isFinal, percentOf, speed } from "../src/model/words";

test("durations are those of the card", () => {
  const shown = [0, 9.96, 12.4, 59.4, 61, 3599, 3600, 7325].map(seconds => duration(seconds));
  assert.deepEqual(shown, ["0.0 s", "10.0 s", "12 s", "59 s", "1 min 01 s", "59 min 59 s", "1 h 00 min", "2 h 02 min"]);
  assert.equal(duration(12, "about "), "about 12 s");
  assert.deepEqual([null, undefined, NaN, -1, "x"].map(one => duration(one)), ["", "", "", "", ""]);
});

test("speeds are those of the card", () => {
  assert.deepEqual([0, 12.34, 999, 1234, 2.126e6, 3e9].map(rate => speed(rate)), [
    "",
    "12.3 catchment-steps/s",
    "999 catchment-steps/s",
    "1.23 thousand catchment-steps/s",
    "2.13 million catchment-steps/s",
    "3 billion catchment-steps/s"
  ]);
});

test("sizes have three digits", () => {
  assert.deepEqual([0, 999, 1000, 12_345, 1.5e9, 2e13].map(bytes), ["0 bytes", "999 bytes", "1 kB", "12.3 kB", "1.5 GB", "20 TB"]);
});

test("a finished run still has its outputs to come", () => {
  assert.deepEqual(["finished", "complete", "failed", "cancelled"].map(isFinal), [false, true, true, true]);
});

test("percent stays between 0 and 100, and a complete job is all done", () => {
  const of = (state: string, fraction?: number | null) => percentOf({ id: "a", name: "a", state, fraction });
  assert.deepEqual([of("running", 0.4256), of("running", 1.2), of("running", -1)], [42.6, 100, 0]);
  assert.equal(of("complete", 0), 100);
  assert.equal(of("running"), null);
});

test("what is long ago is said as a day", () => {
  const now_s = 1_000_000;
  assert.deepEqual([10, 120, 7300, 200_000].map(span_s => ago(now_s - span_s, now_s)), [
    "just now",
    "2 min ago",
    "2 h ago",
    "1970-01-10"
  ]);
});

test("instants are in UTC, and nonsense is nothing", () => {
  assert.equal(instant(1_472_688_000), "2016-09-01 00:00:00");
  assert.deepEqual([null, NaN, 1e300].map(instant), ["", "", ""]);
});

test("what is too long says how much is left out", () => {
  assert.equal(bounded("x".repeat(1200), 200), `${"x".repeat(200)} … 1,000 more characters`);
  assert.equal(bounded("short", 200), "short");
});

test("hosts and hands in a few words", () => {
  const job = { id: "a", name: "a", state: "running" };
  assert.equal(hostsOf({ ...job, hosts: ["a", "b"] }), "a, b");
  assert.equal(hostsOf({ ...job, hosts: ["a", "b", "c"] }), "3 hosts");
  assert.equal(handsOf({ ...job, workers: 1 }), "1 worker");
  assert.equal(handsOf({ ...job, ranks: 8, workers: 2 }), "8 ranks");
});

test("a job is said in one sentence", () => {
  const job = {
    id: "a", name: "mad-river", state: "running", fraction: 0.42, remaining_s: 12, rate: 2.1e6, workers: 4, hosts: ["here"]
  };
  assert.equal(
    aloud(job, 0),
    "mad-river, running, 42 %, about 12 s left · 2.1 million catchment-steps/s · 4 workers · here"
  );
  const failed = { ...job, state: "failed", message: "no forcing\nfor cat-9", elapsed_s: 3.2, updated_s: 0 };
  assert.equal(briefly(failed, 30), "took 3.2 s · just now · here");
  assert.ok(aloud(failed, 30).endsWith(", no forcing"));
});
