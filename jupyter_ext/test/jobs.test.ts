import assert from "node:assert/strict";
import { test } from "node:test";

import { Jobs } from "../src/model/jobs";
import { JobSummary } from "../src/model/wire";

function job(id: string, state: string, more: Partial<JobSummary> = {}): JobSummary {
  return { id, name: id, state, submitted_s: 0, ...more };
}

function three(): Jobs {
  const jobs = new Jobs();
  jobs.apply({
    kind: "snapshot",
    jobs: [
      job("old", "complete", { submitted_s: 1 }),
      job("new", "running", { submitted_s: 3, hosts: ["node-7"] }),
      job("mid", "failed", { submitted_s: 2, message: "no forcing for cat-9" })
    ],
    cursor: 10
  });
  return jobs;
}

const names = (jobs: readonly JobSummary[]) => jobs.map(one => one.id);

test("jobs stand newest first, whatever order they came in", () => {
  assert.deepEqual(names(three().all), ["new", "mid", "old"]);
});

test("a filter lets through what has the state and all the words", () => {
  const jobs = three();
  assert.deepEqual(names(jobs.matching({ choice: "under way", text: "" })), ["new"]);
  assert.deepEqual(names(jobs.matching({ choice: "all", text: "CAT-9 forcing" })), ["mid"]);
  assert.deepEqual(names(jobs.matching({ choice: "all", text: "node-7" })), ["new"]);
  assert.deepEqual(names(jobs.matching({ choice: "complete", text: "cat-9" })), []);
});

test("counts add up to all", () => {
  assert.deepEqual(three().counts(), { all: 3, "under way": 1, complete: 1, failed: 1, cancelled: 0 });
});

test("a change replaces the job and moves the cursor; others stay the very same", () => {
  const jobs = three();
  const old = jobs.get("old");
  jobs.apply({ kind: "jobs", jobs: [job("new", "complete", { submitted_s: 3 })], cursor: 12 });
  assert.equal(jobs.get("new")!.state, "complete");
  assert.equal(jobs.get("old"), old);
  assert.equal(jobs.cursor, 12);
});

test("what was deleted is gone, whether it is told now or after an interruption", () => {
  const jobs = three();
  jobs.apply({ kind: "removed", ids: ["old"], cursor: 11 });
  assert.deepEqual(names(jobs.all), ["new", "mid"]);
  jobs.apply({ kind: "jobs", jobs: [], cursor: 12, ids: ["new"] });
  assert.deepEqual(names(jobs.all), ["new"]);
});

test("a snapshot is all there is", () => {
  const jobs = three();
  jobs.apply({ kind: "snapshot", jobs: [job("other", "requested")], cursor: 2 });
  assert.deepEqual(names(jobs.all), ["other"]);
  assert.equal(jobs.cursor, 2);
});

test("what is no news of jobs tells nobody", () => {
  const jobs = three();
  let told = 0;
  jobs.changed.connect(() => (told += 1));
  jobs.apply({ kind: "heartbeat", cursor: 10 });
  jobs.apply({ kind: "log", id: "new", lines: [] });
  assert.equal(told, 0);
});

test("a thousand jobs are sorted and filtered in a few milliseconds", () => {
  const jobs = new Jobs();
  const many = Array.from({ length: 1000 }, (_, n) => job(`job-${n}`, n % 2 ? "running" : "complete", { submitted_s: n }));
  jobs.apply({ kind: "snapshot", jobs: many, cursor: 1 });
  const began = performance.now();
  for (let n = 0; n < 10; n += 1) {
    jobs.apply({ kind: "jobs", jobs: [job("job-500", "running", { submitted_s: 500 })], cursor: n });
    assert.equal(jobs.matching({ choice: "under way", text: "job" }).length, 501);
    jobs.counts();
  }
  assert.ok(performance.now() - began < 1000);
});
