import assert from "node:assert/strict";
import { test } from "node:test";

import { Book } from "../src/model/book";
import { Client } from "../src/model/client";
import { Jobs } from "../src/model/jobs";
import { settled } from "./around";

const JOB = { id: "a", name: "mad-river", state: "running" };
const EVENT = { number: 0, at_s: 0, state: "running", message: "begun" };

/** A gateway that knows one job until it is deleted. */
class Gateway {
  readonly asked: string[] = [];
  deleted = false;
  events: object[] = [];

  readonly client = new Client(async path => {
    this.asked.push(path);
    const found = path.includes("/events") ? { events: this.events } : { ...JOB, verbs: [], events: [EVENT] };
    const missing = { error: "there is no job 'a'", facts: {}, hint: "", kind: "JobError" };
    return { status: this.deleted ? 404 : 200, text: async () => JSON.stringify(this.deleted ? missing : found) };
  });
}

async function opened(): Promise<{ gateway: Gateway; jobs: Jobs; book: Book }> {
  const [gateway, jobs] = [new Gateway(), new Jobs()];
  jobs.apply({ kind: "snapshot", jobs: [JOB], cursor: 1 });
  const book = new Book(gateway.client, jobs, "a");
  await settled();
  return { gateway, jobs, book };
}

test("events that are new are asked for when the job stands otherwise, from the last one on", async () => {
  const { gateway, jobs, book } = await opened();
  gateway.events = [{ ...EVENT, number: 1, state: "complete" }];
  jobs.apply({ kind: "jobs", jobs: [{ ...JOB, state: "complete" }], cursor: 2 });
  await settled();
  assert.deepEqual(gateway.asked, ["jobs/a", "jobs/a/events?after=0"]);
  assert.deepEqual(book.events.map(event => event.number), [0, 1]);
  assert.equal(book.job!.state, "complete");
});

test("progress alone asks nothing", async () => {
  const { gateway, jobs, book } = await opened();
  jobs.apply({ kind: "jobs", jobs: [{ ...JOB, fraction: 0.5 }], cursor: 2 });
  await settled();
  assert.deepEqual(gateway.asked, ["jobs/a"]);
  assert.equal(book.job!.fraction, 0.5);
});

test("a job that is deleted elsewhere is gone, although nothing happened to it since it was opened", async () => {
  const { gateway, jobs, book } = await opened();
  gateway.deleted = true;
  jobs.apply({ kind: "removed", ids: ["a"], cursor: 2 });
  await settled();
  assert.ok(book.gone);
});

test("a book that is closed asks no more", async () => {
  const { gateway, jobs, book } = await opened();
  book.close();
  jobs.apply({ kind: "jobs", jobs: [{ ...JOB, state: "failed" }], cursor: 2 });
  await settled();
  assert.deepEqual(gateway.asked, ["jobs/a"]);
});
