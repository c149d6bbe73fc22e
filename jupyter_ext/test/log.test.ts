import assert from "node:assert/strict";
import { test } from "node:test";

import { LogLines, parted } from "../src/model/log";
import { LogLine } from "../src/model/wire";

const lines = (from: number, to: number): LogLine[] =>
  Array.from({ length: to - from }, (_, n) => [from + n, 0, `line ${from + n}`]);

test("lines that are known already are not shown twice", () => {
  const log = new LogLines(10);
  log.add(lines(0, 4));
  assert.deepEqual(log.add(lines(2, 6)), { added: lines(4, 6), dropped: 0 });
  assert.equal(log.last, 5);
});

test("no more than the bound is kept, and the oldest go first", () => {
  const log = new LogLines(10);
  log.add(lines(0, 8));
  assert.deepEqual(log.add(lines(8, 14)), { added: lines(8, 14), dropped: 4 });
  assert.equal(log.lines[0][0], 4);
  assert.equal(log.lines.length, 10);
});

test("of a flood only what is kept is drawn", () => {
  const log = new LogLines(10);
  log.add(lines(0, 5));
  assert.deepEqual(log.add(lines(5, 10_000)), { added: lines(9_990, 10_000), dropped: 5 });
  assert.deepEqual(log.lines, lines(9_990, 10_000));
});

test("an empty log has no last line", () => {
  assert.equal(new LogLines(10).last, -1);
});

test("a line's own time and level are told from its words", () => {
  assert.deepEqual(parted("2026-11-23T03:25:23+0000 WARNING  no rain at cat-1"), {
    level: "warning",
    words: "no rain at cat-1"
  });
  assert.deepEqual(parted("plain words"), { level: "", words: "plain words" });
});
