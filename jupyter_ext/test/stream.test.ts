import assert from "node:assert/strict";
import { test } from "node:test";

import { Stream } from "../src/model/stream";
import { FakeMachine, settled } from "./around";

const SNAPSHOT = { kind: "snapshot", jobs: [], cursor: 7 };

function begun(cursor: () => number | null = () => null): { machine: FakeMachine; stream: Stream } {
  const machine = new FakeMachine();
  const stream = new Stream(machine, cursor);
  stream.start();
  return { machine, stream };
}

test("a stream is live once something was said", () => {
  const { machine, stream } = begun();
  assert.equal(stream.phase, "connecting");
  machine.socket.say(SNAPSHOT);
  assert.equal(stream.phase, "live");
});

test("what breaks is tried again, each time after twice as long, up to a bound", async () => {
  const { machine, stream } = begun();
  stream.most_ms = 4_000;
  const waits: number[] = [];
  for (let n = 0; n < 5; n += 1) {
    machine.socket.breakDown();
    await settled();
    assert.equal(stream.phase, "waiting");
    waits.push(stream.retryAt_ms - machine.now());
    const before = machine.sockets.length;
    machine.pass(waits[n] - 1);
    assert.equal(machine.sockets.length, before, "not before its time");
    machine.pass(1);
    assert.equal(machine.sockets.length, before + 1);
  }
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 4000]);
});

test("after an interruption it goes on from the cursor, and the wait begins anew", async () => {
  let cursor: number | null = null;
  const { machine, stream } = begun(() => cursor);
  assert.equal(machine.socket.cursor, null);
  machine.socket.say(SNAPSHOT);
  cursor = 7;
  machine.socket.breakDown();
  await settled();
  machine.pass(500);
  assert.equal(machine.socket.cursor, 7);
  machine.socket.say(SNAPSHOT);
  machine.socket.breakDown();
  assert.equal(stream.retryAt_ms - machine.now(), 500);
});

test("an expired login is said, and found out when it holds again", async () => {
  const { machine, stream } = begun();
  machine.status = 403;
  machine.socket.breakDown();
  await settled();
  assert.equal(stream.phase, "refused");
  machine.status = 200;
  machine.pass(500);
  machine.socket.say(SNAPSHOT);
  assert.equal(stream.phase, "live");
});

test("a server without dmod is told from one that is away", async () => {
  const { machine, stream } = begun();
  machine.status = 404;
  machine.socket.breakDown();
  await settled();
  assert.equal(stream.phase, "absent");
  machine.pass(500);
  machine.status = 0;
  machine.socket.breakDown();
  await settled();
  assert.equal(stream.phase, "waiting");
});

test("a machine that slept does not trust what was open", () => {
  const { machine, stream } = begun();
  machine.socket.say(SNAPSHOT);
  const before = machine.socket;
  machine.sleep(3_600_000);
  machine.pass(5_000);
  assert.ok(before.closed);
  assert.equal(machine.sockets.length, 2);
  assert.equal(stream.phase, "connecting");
});

test("silence of more than a minute is an interruption; a heartbeat is not silence", () => {
  const { machine, stream } = begun();
  machine.socket.say(SNAPSHOT);
  for (let n = 0; n < 12; n += 1) {
    machine.pass(20_000);
    machine.socket.say({ kind: "heartbeat", cursor: 7 });
  }
  assert.equal(machine.sockets.length, 1);
  machine.pass(70_000);
  assert.equal(machine.sockets.length, 2);
  assert.equal(stream.phase, "connecting");
});

test("while nobody looks nothing is open, asked or due", async () => {
  const { machine, stream } = begun();
  machine.socket.say(SNAPSHOT);
  stream.stop();
  assert.ok(machine.socket.closed);
  assert.equal(machine.waiting, 0);
  machine.pass(600_000);
  await settled();
  assert.equal(machine.sockets.length, 1);
  stream.start();
  assert.equal(machine.sockets.length, 2);
});

test("trouble on the other side is known until it is over", () => {
  const { machine, stream } = begun();
  machine.socket.say(SNAPSHOT);
  machine.socket.say({ kind: "trouble", error: "the ledger cannot be read" });
  assert.equal(stream.trouble, "the ledger cannot be read");
  machine.socket.say({ kind: "recovered", cursor: 7 });
  assert.equal(stream.trouble, "");
});

test("half a message is passed over", () => {
  const { machine, stream } = begun();
  machine.socket.onmessage!({ data: '{"kind": "snap' });
  assert.equal(stream.phase, "connecting");
  machine.socket.say(SNAPSHOT);
  assert.equal(stream.phase, "live");
});

test("a log is watched from its last line, anew after an interruption, and no more once nobody wants it", async () => {
  const { machine, stream } = begun();
  let last = 3;
  const end = stream.watchLog("mad-river-1", () => last);
  assert.deepEqual(machine.socket.sent, []);
  machine.socket.say(SNAPSHOT);
  assert.deepEqual(machine.socket.sent, [{ watch: { log: "mad-river-1", after: 3 } }]);
  last = 9;
  machine.socket.breakDown();
  await settled();
  machine.pass(500);
  machine.socket.say(SNAPSHOT);
  assert.deepEqual(machine.socket.sent, [{ watch: { log: "mad-river-1", after: 9 } }]);
  end();
  assert.deepEqual(machine.socket.sent[1], { watch: null });
});

test("two logs take turns", () => {
  const { machine, stream } = begun();
  machine.socket.say(SNAPSHOT);
  stream.watchLog("a", () => -1);
  const end = stream.watchLog("b", () => -1);
  machine.pass(2_000);
  const watched = machine.socket.sent.map(one => one.watch.log);
  assert.ok(watched.filter(one => one === "a").length >= 2);
  assert.ok(watched.filter(one => one === "b").length >= 2);
  end();
  const sent = machine.socket.sent.length;
  machine.pass(2_000);
  assert.equal(machine.socket.sent.length, sent);
});
