import assert from "node:assert/strict";
import { test } from "node:test";

import { Client, Refusal } from "../src/model/client";
import { asked, Comparison, nearness, ordered, painted, QUESTION, raised, reason, score, tint, turned } from "../src/model/evaluation";
import { ScoreRow } from "../src/model/wire";
import { settled } from "./around";

const ANSWER = { title: "a", kept: null, metrics: [], rows: [], total: 0, missing: [], notes: [], page: null };

/** A gateway that answers when it is told to. */
class Gateway {
  readonly asked: { path: string; body: unknown }[] = [];
  answer: (status: number, told: object) => void = () => undefined;

  readonly client = new Client(
    (path, _method, body) =>
      new Promise(resolve => {
        this.asked.push({ path, body });
        this.answer = (status, told) => resolve({ status, text: async () => JSON.stringify(told) });
      })
  );
}

function row(place: string, ...values: (number | null)[]): ScoreRow {
  return { place, gage: "", part: "", values, goodness: values };
}

test("what is left empty is not asked, and metrics are told apart by whatever stands between them", () => {
  assert.deepEqual(asked({ ...QUESTION, observations: " gage.csv " }), { observations: "gage.csv" });
  assert.deepEqual(asked({ ...QUESTION, observations: "a", metrics: "kge, nse;pbias\n", gage: "0999", keep: "b" }), {
    observations: "a", metrics: ["kge", "nse", "pbias"], gage: "0999", keep: "b"
  });
  assert.deepEqual(asked({ ...QUESTION, observations: "a", metrics: "all" }).metrics, ["all"]);
});

test("a job is not compared twice at once, and the answer stays while another is awaited", async () => {
  const gateway = new Gateway();
  const comparison = new Comparison(gateway.client, "a b");
  comparison.change({ observations: "gage.csv", keep: "mine" });
  const first = comparison.ask();
  void comparison.ask();
  assert.ok(comparison.under_way);
  assert.deepEqual(gateway.asked, [{ path: "jobs/a%20b/evaluate", body: { observations: "gage.csv", keep: "mine" } }]);
  gateway.answer(200, { ...ANSWER, kept: "mine" });
  await first;
  assert.equal(comparison.answer!.kept, "mine");
  assert.equal(comparison.question.keep, "", "the name is taken now");
  assert.equal(comparison.question.observations, "gage.csv");

  const second = comparison.ask();
  assert.equal(comparison.answer!.kept, "mine");
  gateway.answer(400, { error: "there are no observations 'gage.csv'" });
  await second;
  assert.equal((comparison.trouble as Refusal).headline, "there are no observations 'gage.csv'");
  assert.equal(comparison.under_way, false);
  const third = comparison.ask();
  assert.equal(comparison.trouble, null);
  gateway.answer(200, ANSWER);
  await third;
});

test("datasets have changed once an evaluation was kept or a dataset was removed, and only then", async () => {
  const gateway = new Gateway();
  let told = 0;
  gateway.client.datasetsChanged.connect(() => (told += 1));
  const act = async (act: Promise<unknown>, status: number, answer: object) => {
    gateway.answer(status, answer);
    await act.catch(() => undefined);
    await settled();
    return told;
  };
  assert.equal(await act(gateway.client.evaluate("a", {}), 200, ANSWER), 0);
  assert.equal(await act(gateway.client.evaluate("a", {}), 200, { ...ANSWER, kept: "b" }), 1);
  assert.equal(await act(gateway.client.deleteDataset("b"), 404, { error: "there is no dataset 'b'" }), 1);
  assert.equal(await act(gateway.client.deleteDataset("b"), 200, {}), 2);
});

test("rows without a score come last either way, and places are ordered as people count", () => {
  const rows = [row("nex-10", 0.5), row("nex-9", null), row("nex-2", 0.9)];
  const places = (by: "place" | number, down: boolean) => ordered(rows, { by, down }).map(one => one.place);
  assert.deepEqual(places("place", false), ["nex-2", "nex-9", "nex-10"]);
  assert.deepEqual(places(0, true), ["nex-2", "nex-10", "nex-9"]);
  assert.deepEqual(places(0, false), ["nex-10", "nex-2", "nex-9"]);
  assert.deepEqual(ordered(rows, null), rows);
});

test("a header orders numbers downwards first and names upwards, and then the other way", () => {
  assert.deepEqual(turned(null, 1), { by: 1, down: true });
  assert.deepEqual(turned({ by: 1, down: true }, 1), { by: 1, down: false });
  assert.deepEqual(turned({ by: 1, down: false }, "place"), { by: "place", down: false });
});

test("scores are short, and never minus nothing", () => {
  const told = [[0.8612, "1"], [-12.34, "%"], [-0.001, "1"], [0.018101, "m3 s-1"], [1440, "1"], [12345.6, "m3"]] as const;
  assert.deepEqual(told.map(([value, units]) => score(value, units)), ["0.86", "−12.3", "0.00", "0.0181", "1,440", "12,346"]);
});

test("units have raised exponents, and a bare number has none", () => {
  assert.deepEqual(["m3 s-1", "1", "%", "m6 s-2"].map(raised), ["m³ s⁻¹", "", "%", "m⁶ s⁻²"]);
});

test("how good a score is has words and a colour, and halfway has no colour", () => {
  assert.deepEqual([0, 0.5, 1].map(nearness), ["far from the ideal", "halfway", "near the ideal"]);
  assert.deepEqual([0, 0.5, 1, 7].map(tint), [
    { side: "far", share: 45 }, { side: "near", share: 0 }, { side: "near", share: 45 }, { side: "near", share: 45 }
  ]);
});

test("the reason of a gap is that of its place and part", () => {
  const missing = [
    { metric: "kge", reason: "all dry", where: "nex-1, low" },
    { metric: "kge", reason: "observations never vary", where: "nex-1" }
  ];
  assert.equal(reason(missing, "kge", { ...row("nex-1"), part: "low" }), "all dry");
  assert.equal(reason(missing, "kge", row("nex-1")), "observations never vary");
  assert.equal(reason(missing, "nse", row("nex-1")), "");
});

test("a page follows the colours here, in its style and in its script", () => {
  const page = '@media (prefers-color-scheme: dark) {} <script>matchMedia("(prefers-color-scheme: dark)")</script>';
  assert.equal(painted(page, false), '@media (min-width: 0) {} <script>matchMedia("(min-width: 0)")</script>');
  assert.ok(!painted(page, true).includes("prefers"));
});
