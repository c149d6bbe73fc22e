import assert from "node:assert/strict";
import { test } from "node:test";

import { Client, Fetch, Refusal } from "../src/model/client";
import { asked, FORM } from "../src/model/form";

function answering(status: number, text: string, heard: any[] = []): Client {
  const fetch: Fetch = async (path, method, body) => {
    heard.push({ path, method, body });
    return { status, text: async () => text };
  };
  return new Client(fetch);
}

async function refused(client: Client): Promise<Refusal> {
  return client.job("a").then(
    () => assert.fail("it was not refused"),
    problem => problem
  );
}

test("ids and words are written so that they are one part of an address", async () => {
  const heard: any[] = [];
  const client = answering(200, "{}", heard);
  await client.job("../jobs?x=1");
  await client.series("a", "Q_OUT", "cat 1&2", 10, [1, 2]);
  await client.log("a", { tail: 5 });
  assert.deepEqual(heard.map(one => one.path), [
    "jobs/..%2Fjobs%3Fx%3D1",
    "jobs/a/series?variable=Q_OUT&id=cat%201%262&points=10&start_s=1&end_s=2",
    "jobs/a/log?tail=5"
  ]);
});

test("a refusal keeps headline, facts and hint", async () => {
  const told = { error: "there is no such run directory", facts: { has: "mad" }, hint: "name another", kind: "InputError" };
  const problem = await refused(answering(400, JSON.stringify(told)));
  assert.equal(problem.status, 400);
  assert.deepEqual(problem.lines, ["there is no such run directory", "has: mad", "→ name another"]);
});

test("an expired login is said in words, and so is what is no JSON", async () => {
  assert.match((await refused(answering(403, '{"message": "Forbidden"}'))).headline, /does not know you/);
  assert.match((await refused(answering(502, "<html>bad gateway"))).headline, /502/);
});

test("a server that is away is no riddle", async () => {
  const problem = await refused(new Client(() => Promise.reject(new TypeError("failed to fetch"))));
  assert.equal(problem.status, 0);
  assert.match(problem.headline, /does not answer/);
});

test("what is left empty in the dialog is not asked for", () => {
  assert.deepEqual(asked({ ...FORM, directory: "mad-river" }), {
    directory: "mad-river", on: "dask", overwrite: false, output_format: "netcdf"
  });
});

test("numbers are numbers, and ranks are not workers", () => {
  assert.deepEqual(asked({ ...FORM, directory: " a ", on: "docker", hands: "4", priority: "90", image: "mine" }), {
    directory: "a", on: "docker", overwrite: false, output_format: "netcdf", ranks: 4, priority: 90, image: "mine"
  });
  assert.equal(asked({ ...FORM, hands: "many" }).workers, "many");
});
