/** What a run computed, and a quick look at it. */

import * as React from "react";

import { Outputs, Variable } from "../model/wire";
import { count, instant } from "../model/words";
import { Facts, Remark, Trouble } from "./pieces";
import { Place, useAnswer } from "./place";
import { Plot } from "./plot";

const TIMES = ["time", "routed-time"];

export function OutputsPage({ place, id, state }: { place: Place; id: string; state: string }): JSX.Element {
  const { value, problem } = useAnswer(() => place.client.outputs(id), [id, state]);
  if (problem && state !== "complete") {
    return <Remark>There are no outputs yet.</Remark>;
  }
  if (problem || !value) {
    return problem ? <Trouble problem={problem} /> : <Remark>Reading …</Remark>;
  }
  return <Shown place={place} id={id} outputs={value} />;
}

function Shown({ place, id, outputs }: { place: Place; id: string; outputs: Outputs }): JSX.Element {
  const drawable = outputs.variables.filter(one => placeOf(one) !== null);
  const [name, setName] = React.useState(() => firstOf(drawable));
  const variable = drawable.find(one => one.name === name) ?? null;
  const folder = place.browsable(outputs.path);
  return (
    <div className="dmod-Outputs">
      {variable && (
        <Look place={place} id={id} outputs={outputs} variables={drawable} variable={variable} choose={setName} />
      )}
      <Facts
        facts={[
          ["outputs", <code key="path">{outputs.path}</code>],
          ["from", outputs.start_s === null ? "" : `${instant(outputs.start_s).slice(0, 16)} UTC`],
          ["to", outputs.end_s === null ? "" : `${instant(outputs.end_s).slice(0, 16)} UTC`],
          ...Object.entries(outputs.sizes).map(([dimension, size]): [string, string] => [dimension, count(size)])
        ]}
      />
      {folder !== null && (
        <button
          type="button"
          className="dmod-Link"
          onClick={() => void place.commands.execute("filebrowser:go-to-path", { path: folder })}
        >
          Show in the file browser
        </button>
      )}
      <table className="dmod-Table">
        <caption className="dmod-Hidden">Variables of the outputs</caption>
        <thead>
          <tr>
            <th scope="col">variable</th>
            <th scope="col">units</th>
            <th scope="col">dimensions</th>
            <th scope="col">what it is</th>
          </tr>
        </thead>
        <tbody>
          {outputs.variables.map(one => (
            <tr key={one.name}>
              <td>
                <code>{one.name}</code>
              </td>
              <td>{one.units}</td>
              <td>{one.dims.join(" × ")}</td>
              <td>{one.long_name}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Look(props: {
  place: Place;
  id: string;
  outputs: Outputs;
  variables: Variable[];
  variable: Variable;
  choose: (name: string) => void;
}): JSX.Element {
  const { place, id, outputs, variables, variable, choose } = props;
  const dimension = placeOf(variable)!;
  const ids = outputs.ids[dimension] ?? [];
  const [asked, setAsked] = React.useState<Record<string, string>>({});
  const where = asked[dimension] ?? ids[0] ?? "";
  const points = place.setting().plotPoints;
  const [span, setSpan] = React.useState<[number, number] | null>(null);
  const { value, problem } = useAnswer(
    () => (where ? place.client.series(id, variable.name, where, points, span) : Promise.reject("name a place")),
    [id, variable.name, where, points, span]
  );
  const list = `dmod-ids-${id}-${dimension}`;
  const curve = React.useMemo(
    () => value && { label: variable.name, low: value.low, high: value.values > value.time.length ? value.high : undefined },
    [value]
  );
  const all = ids.length === outputs.sizes[dimension];
  return (
    <section className="dmod-Look" aria-label="a quick look">
      <div className="dmod-LookHead">
        <label>
          Variable
          <select className="dmod-Select" value={variable.name} onChange={event => choose(event.target.value)}>
            {variables.map(one => (
              <option key={one.name} value={one.name}>
                {one.name}
              </option>
            ))}
          </select>
        </label>
        <label>
          Place
          <Where key={dimension} list={list} where={where} go={to => setAsked({ ...asked, [dimension]: to })} />
          <datalist id={list}>
            {ids.slice(0, 500).map(one => (
              <option key={one} value={one} />
            ))}
          </datalist>
        </label>
        {!all && <span className="dmod-mod-quiet">one of {count(outputs.sizes[dimension])}; type any id</span>}
      </div>
      <p className="dmod-Hint">
        {span === null ? (
          "Drag over the plot to look closer."
        ) : (
          <button type="button" className="dmod-Link" onClick={() => setSpan(null)}>
            Whole time
          </button>
        )}
      </p>
      <Trouble problem={problem} />
      {value && curve && !problem && (
        <Plot
          place={place}
          time={value.time}
          curve={curve}
          units={value.units}
          zoom={setSpan}
          label={`${variable.name} of ${where} over time, in ${value.units}`}
        />
      )}
    </section>
  );
}

/** An id that is taken once it is entered, or chosen from the list. */
function Where({ list, where, go }: { list: string; where: string; go: (to: string) => void }): JSX.Element {
  const [text, setText] = React.useState(where);
  return (
    <input
      className="dmod-Search"
      list={list}
      value={text}
      spellCheck={false}
      onChange={event => {
        setText(event.target.value);
        if (!(event.nativeEvent as InputEvent).inputType) {
          go(event.target.value.trim()); // chosen from the list, not typed
        }
      }}
      onKeyDown={event => event.key === "Enter" && text.trim() && go(text.trim())}
      onBlur={() => text.trim() && go(text.trim())}
    />
  );
}

/** The dimension that says where; null where a variable has none, or no time. */
function placeOf(variable: Variable): string | null {
  const places = variable.dims.filter(one => !TIMES.includes(one));
  return places.length === 1 && variable.dims.length === 2 ? places[0] : null;
}

/** What is looked at first: flow, where there is some. */
function firstOf(variables: Variable[]): string {
  const names = variables.map(one => one.name);
  return ["nexus_flow", "flow", "streamflow", "Q_OUT"].find(name => names.includes(name)) ?? names[0] ?? "";
}
