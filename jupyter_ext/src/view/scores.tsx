/** An evaluation: its scores, what is to be known of them, and the page that draws it. */

import * as React from "react";

import { nearness, Order, ordered, painted, raised, reason, score, tint, turned } from "../model/evaluation";
import { Evaluation, Metric, Missing, ScoreRow } from "../model/wire";
import { bounded, count } from "../model/words";
import { Remark } from "./pieces";
import { Place, useSignal } from "./place";

const ROWS = 200;
const MOST_CHARACTERS = 1_000;
const MOST_NOTES = 100;
const LABELS = ["place", "gage", "part"] as const;

export function Findings({ place, answer }: { place: Place; answer: Evaluation }): JSX.Element {
  return (
    <div className="dmod-Findings">
      {answer.rows.length ? <Scores answer={answer} /> : <Remark>There are no scores.</Remark>}
      <Gaps missing={answer.missing} />
      <Notes notes={answer.notes} />
      {answer.page !== null && <Explorer place={place} page={answer.page} />}
    </div>
  );
}

/** The page that draws it. Nothing in it may reach this one, so it never gets our origin. */
function Explorer({ place, page }: { place: Place; page: string }): JSX.Element {
  useSignal(place.repainted);
  const light = document.body.dataset.jpThemeLight !== "false";
  const shown = React.useMemo(() => painted(page, light), [page, light]);
  return (
    <section className="dmod-Explorer" aria-label="series">
      <iframe sandbox="allow-scripts" srcDoc={shown} title="hydrograph, flow duration, scatter" />
    </section>
  );
}

function Scores({ answer }: { answer: Evaluation }): JSX.Element {
  const { metrics, rows, total } = answer;
  const [order, setOrder] = React.useState<Order | null>(null);
  const [most, setMost] = React.useState(ROWS);
  const sorted = React.useMemo(() => ordered(rows, order), [rows, order]);
  const labels = LABELS.filter(one => one === "place" || rows.some(row => row[one]));
  const shown = sorted.slice(0, most);
  return (
    <section aria-label="scores">
      <div className="dmod-Scores" tabIndex={0} role="group" aria-label="table of scores">
        <table className="dmod-Table">
          <caption className="dmod-Hidden">Scores, a row for each place; a header orders the rows by its column</caption>
          <thead>
            <tr>
              {labels.map(one => (
                <Header key={one} by={one} order={order} choose={setOrder}>
                  {one}
                </Header>
              ))}
              {metrics.map((metric, n) => (
                <Header key={metric.name} by={n} order={order} choose={setOrder} title={metric.about} beside={besides(metric)}>
                  {metric.label}
                </Header>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row, n) => (
              <Row key={n} row={row} labels={labels} answer={answer} />
            ))}
          </tbody>
        </table>
      </div>
      {rows.some(row => row.goodness.some(one => one !== null)) && <Legend />}
      {total > shown.length && (
        <p className="dmod-Hint">
          {count(shown.length)} of {count(total)} rows.{" "}
          {rows.length > shown.length ? (
            <button type="button" className="dmod-Link" onClick={() => setMost(most + ROWS)}>
              Show more
            </button>
          ) : (
            "Keep the evaluation to read them all in a notebook."
          )}
        </p>
      )}
    </section>
  );
}

function Header(props: {
  by: Order["by"];
  order: Order | null;
  choose: (order: Order) => void;
  title?: string;
  beside?: string;
  children: React.ReactNode;
}): JSX.Element {
  const { by, order, choose, title, beside, children } = props;
  const sorted = order?.by === by ? (order.down ? "descending" : "ascending") : "none";
  return (
    <th scope="col" aria-sort={sorted} className={typeof by === "number" ? "dmod-mod-score" : undefined}>
      <button type="button" className="dmod-Header" title={title} onClick={() => choose(turned(order, by))}>
        {children}
        <span aria-hidden="true" className="dmod-Order">
          {{ ascending: "▲", descending: "▼", none: "" }[sorted]}
        </span>
        {beside && <span className="dmod-mod-quiet"> {beside}</span>}
      </button>
    </th>
  );
}

/** Units of a metric, and its ideal. */
function besides(metric: Metric): string {
  const units = raised(metric.units);
  const ideal = metric.ideal === null ? "" : `ideal ${metric.ideal}`;
  return [units && `[${units}]`, ideal].filter(Boolean).join(" ");
}

function Row(props: { row: ScoreRow; labels: readonly (typeof LABELS)[number][]; answer: Evaluation }): JSX.Element {
  const { row, labels, answer } = props;
  return (
    <tr>
      {labels.map(one =>
        one === "place" ? (
          <th key={one} scope="row">
            {bounded(row.place || "here", MOST_CHARACTERS)}
          </th>
        ) : (
          <td key={one}>{bounded(row[one], MOST_CHARACTERS)}</td>
        )
      )}
      {answer.metrics.map((metric, n) => (
        <Score
          key={metric.name}
          value={row.values[n] ?? null}
          goodness={row.goodness[n] ?? null}
          units={metric.units}
          why={() => reason(answer.missing, metric.name, row)}
        />
      ))}
    </tr>
  );
}

function Score(props: { value: number | null; goodness: number | null; units: string; why: () => string }): JSX.Element {
  const { value, goodness, units, why } = props;
  if (value === null) {
    return (
      <td className="dmod-mod-score" title={why() || "there is no number"}>
        <span aria-hidden="true">–</span>
        <span className="dmod-Hidden">none: {why()}</span>
      </td>
    );
  }
  if (goodness === null) {
    return <td className="dmod-mod-score">{score(value, units)}</td>;
  }
  const { side, share } = tint(goodness);
  const style = { "--dmod-share": `${share}%`, "--dmod-good": `${Math.round(100 * goodness)}%` } as React.CSSProperties;
  return (
    <td className="dmod-mod-score" data-side={side} style={style} title={nearness(goodness)}>
      {score(value, units)}
      <span className="dmod-Hidden">, {nearness(goodness)}</span>
    </td>
  );
}

function Legend(): JSX.Element {
  return (
    <p className="dmod-Legend dmod-Hint" aria-hidden="true">
      far from the ideal
      <span className="dmod-Scale" />
      at the ideal
    </p>
  );
}

/** Why some scores are not there. */
function Gaps({ missing }: { missing: readonly Missing[] }): JSX.Element | null {
  if (!missing.length) {
    return null;
  }
  return (
    <section aria-label="scores that are missing">
      <h3 className="dmod-Title">No number</h3>
      <ul className="dmod-Notes">
        {missing.slice(0, MOST_NOTES).map((one, n) => (
          <li key={n}>
            {bounded([`${one.metric}${one.where && ` at ${one.where}`}`, one.reason].filter(Boolean).join(": "), MOST_CHARACTERS)}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Notes({ notes }: { notes: readonly string[] }): JSX.Element | null {
  if (!notes.length) {
    return null;
  }
  return (
    <section aria-label="notes">
      <h3 className="dmod-Title">What to know of them</h3>
      <ul className="dmod-Notes">
        {notes.slice(0, MOST_NOTES).map((note, n) => (
          <li key={n}>{bounded(note, MOST_CHARACTERS)}</li>
        ))}
      </ul>
    </section>
  );
}
