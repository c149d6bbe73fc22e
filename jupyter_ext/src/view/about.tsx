/** Pages of a job that tell what it is made of and what it held: events, inputs, plan, resources. */

import * as React from "react";

import { said } from "../model/client";
import { JobEvent, Use } from "../model/wire";
import { bounded, bytes, count, instant } from "../model/words";
import { Facts, Remark, StateMark, Trouble } from "./pieces";
import { Place, useAnswer } from "./place";
import { Plot } from "./plot";

const MOST_EVENTS = 500;
const MOST_CHARACTERS = 4_000;

export function EventsPage({ events }: { events: readonly JobEvent[] }): JSX.Element {
  if (!events.length) {
    return <Remark>Nothing has happened yet.</Remark>;
  }
  const shown = events.slice(-MOST_EVENTS).reverse();
  return (
    <table className="dmod-Table dmod-Events">
      <caption className="dmod-Hidden">Events of the job, newest first</caption>
      <thead>
        <tr>
          <th scope="col">time (UTC)</th>
          <th scope="col">state</th>
          <th scope="col">what happened</th>
        </tr>
      </thead>
      <tbody>
        {shown.map(event => (
          <tr key={event.number}>
            <td className="dmod-mod-number">{instant(event.at_s)}</td>
            <td>
              <StateMark state={event.state} />
            </td>
            <td>
              <div className="dmod-Words">{bounded(event.message, MOST_CHARACTERS)}</div>
              <More facts={event.facts ?? {}} />
            </td>
          </tr>
        ))}
      </tbody>
      {events.length > shown.length && (
        <tfoot>
          <tr>
            <td colSpan={3}>{events.length - shown.length} older events are not shown.</td>
          </tr>
        </tfoot>
      )}
    </table>
  );
}

function More({ facts }: { facts: Record<string, unknown> }): JSX.Element | null {
  const [open, setOpen] = React.useState(false);
  const names = Object.keys(facts);
  if (!names.length) {
    return null;
  }
  return (
    <details onToggle={event => setOpen(event.currentTarget.open)}>
      <summary>{names.length === 1 ? "1 fact" : `${names.length} facts`}</summary>
      {open && (
        <dl className="dmod-Pairs">
          {names.slice(0, 100).map(name => (
            <React.Fragment key={name}>
              <dt>{name}</dt>
              <dd>{bounded(said(facts[name]), MOST_CHARACTERS)}</dd>
            </React.Fragment>
          ))}
        </dl>
      )}
    </details>
  );
}

export function InputsPage({ place, id, state }: { place: Place; id: string; state: string }): JSX.Element {
  const { value, problem } = useAnswer(() => place.client.inputs(id), [id, state]);
  if (problem || !value) {
    return problem ? <Trouble problem={problem} /> : <Remark>Reading …</Remark>;
  }
  if (!value.inputs.length) {
    return <Remark>It is not known yet what this job is made of.</Remark>;
  }
  return (
    <table className="dmod-Table">
      <caption className="dmod-Hidden">What the job is made of</caption>
      <thead>
        <tr>
          <th scope="col">kind</th>
          <th scope="col">name</th>
          <th scope="col">where from</th>
          <th scope="col">digest</th>
        </tr>
      </thead>
      <tbody>
        {value.inputs.map((one, n) => (
          <tr key={n}>
            <td>{one.kind}</td>
            <td className="dmod-Words">{one.name}</td>
            <td className="dmod-Words">{lineageOf(one)}</td>
            <td title={one.digest ?? undefined}>
              <code>{shortened(one.digest)}</code>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function lineageOf(one: { dataset: string | null; rule: string | null; parents: string[] }): string {
  const from = one.parents.map(shortened).join(", ");
  const derived = one.rule ? `derived by ${one.rule}${from && ` from ${from}`}` : "";
  return [one.dataset && `dataset ${one.dataset}`, derived].filter(Boolean).join(", ") || "run directory";
}

/** The beginning of a digest. */
export function shortened(digest: string | null): string {
  return digest ? digest.replace(/^(\w+:)?(.{12}).*$/, "$2") : "";
}

export function PlanPage({ place, id, state }: { place: Place; id: string; state: string }): JSX.Element {
  const { value, problem } = useAnswer(() => place.client.plan(id), [id, state]);
  if (problem) {
    return <Trouble problem={problem} />;
  }
  if (!value?.plan) {
    return <Remark>{value ? "It is not planned yet." : "Reading …"}</Remark>;
  }
  return (
    <pre className="dmod-Pre" tabIndex={0} aria-label="plan">
      {bounded(value.plan, 200_000)}
    </pre>
  );
}

export function ResourcesPage({ place, id, state }: { place: Place; id: string; state: string }): JSX.Element {
  const { value, problem } = useAnswer(() => place.client.resources(id), [id, state]);
  if (problem || !value) {
    return problem ? <Trouble problem={problem} /> : <Remark>Reading …</Remark>;
  }
  if (!value.series.length) {
    return <Remark>It has not held anything yet.</Remark>;
  }
  return <Held place={place} series={value.series} />;
}

function Held({ place, series }: { place: Place; series: Use[] }): JSX.Element {
  const drawn = React.useMemo(() => {
    const time = series.map(use => use.at_s);
    return { time, curve: { label: "cores", low: series.map(use => use.cores) } };
  }, [series]);
  const most = (of: (use: Use) => number | null) => Math.max(0, ...series.map(use => of(use) ?? 0));
  const work = most(use => use.cpu);
  return (
    <div className="dmod-Resources">
      <Facts
        facts={[
          ["cores", count(most(use => use.cores))],
          ["memory at most", bytes(most(use => use.memory_bytes) || null) || "no limit"],
          ["of its cores, at work", work ? `${Math.round(100 * work)} %` : ""]
        ]}
      />
      <section aria-label="cores over time">
        <h3 className="dmod-Title">Cores over time</h3>
        <Plot place={place} {...drawn} units="cores" label="cores that the job held, over time" height={160} stepped />
      </section>
    </div>
  );
}
