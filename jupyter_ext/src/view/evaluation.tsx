/** The page of a job that asks how good it is, and the tab of an evaluation that was kept. */

import { MainAreaWidget } from "@jupyterlab/apputils";
import * as React from "react";

import { Comparison, Question } from "../model/evaluation";
import { Evaluation } from "../model/wire";
import { count } from "../model/words";
import { riverIcon } from "../icons";
import { Facts, Remark, Trouble } from "./pieces";
import { Place, PlaceWidget, useAnswer, usePromptSignal, useSignal } from "./place";
import { Presence } from "./presence";
import { Findings } from "./scores";

const LISTED = 500;

export function EvaluationPage(props: { place: Place; id: string; state: string; comparison: Comparison }): JSX.Element {
  const { place, id, state, comparison } = props;
  usePromptSignal(comparison.changed);
  if (state !== "complete") {
    return <Remark>Once the job is complete, it can be compared with observations here.</Remark>;
  }
  const { answer, trouble, under_way } = comparison;
  return (
    <div className="dmod-Evaluation">
      <Ask place={place} id={id} comparison={comparison} />
      <p role="status" aria-live="polite" className="dmod-Hint">
        {under_way ? "Comparing …" : answer && !trouble ? done(answer) : ""}
      </p>
      <Trouble problem={trouble} />
      {answer && (
        <>
          <h3 className="dmod-Title dmod-Words">{answer.title}</h3>
          {answer.kept !== null && (
            <p className="dmod-Hint">
              Kept as{" "}
              <button
                type="button"
                className="dmod-Link"
                onClick={() => void place.commands.execute("dmod:open-evaluation", { name: answer.kept })}
              >
                {answer.kept}
              </button>
            </p>
          )}
          <Findings place={place} answer={answer} />
        </>
      )}
    </div>
  );
}

function done({ total }: Evaluation): string {
  return `Compared: ${total === 1 ? "1 row of scores" : `${count(total)} rows of scores`}`;
}

function Ask({ place, id, comparison }: { place: Place; id: string; comparison: Comparison }): JSX.Element {
  const { question, under_way } = comparison;
  const changed = useSignal(place.client.datasetsChanged);
  const gages = useAnswer(() => place.client.gages(id), [id]);
  const observed = useAnswer(() => place.client.datasets({ category: "observation", limit: LISTED }), [id, changed]);
  const found = gages.value?.gages ?? [];
  const field = (name: keyof Question, label: string, hint: string, list?: string) => (
    <label className="dmod-Field">
      <span>{label}</span>
      <input
        className="jp-mod-styled"
        name={name}
        list={list}
        placeholder={hint}
        spellCheck={false}
        autoComplete="off"
        required={name === "observations"}
        value={question[name]}
        onChange={event => comparison.change({ [name]: event.target.value })}
      />
    </label>
  );
  const list = `dmod-observations-${id}`;
  return (
    <form
      className="dmod-Form"
      aria-label="how to compare"
      onSubmit={event => {
        event.preventDefault();
        void comparison.ask();
      }}
    >
      <div className="dmod-Fields">
        {field("observations", "Observations", "a dataset, or the path of a file", list)}
        <datalist id={list}>
          {(observed.value?.datasets ?? []).map(one => (
            <option key={one.id} value={one.name} />
          ))}
        </datalist>
        {found.length > 0 && (
          <label className="dmod-Field">
            <span>Gage</span>
            <select
              className="dmod-Select"
              name="gage"
              value={question.gage}
              onChange={event => comparison.change({ gage: event.target.value })}
            >
              <option value="">every gage</option>
              {found.map(one => (
                <option key={one.gage} value={one.gage}>
                  {`${one.gage} (${one.place})`}
                </option>
              ))}
            </select>
          </label>
        )}
        {field("metrics", "Metrics", "kge, nse, pbias; or standard, all")}
        {field("keep", "Keep as", "not kept; or a name")}
      </div>
      <details>
        <summary>More options</summary>
        <div className="dmod-Fields">
          {field("units", "Units, where the file does not say", "m3 s-1, cfs")}
          {field("nexus", "Nexus", "that of the gage; or nex-27")}
          <label className="dmod-Field">
            <span>Flow</span>
            <select
              className="dmod-Select"
              name="variable"
              value={question.variable}
              onChange={event => comparison.change({ variable: event.target.value })}
            >
              <option value="">into the nexus</option>
              <option value="routed_flow">routed</option>
            </select>
          </label>
        </div>
      </details>
      <Trouble problem={gages.problem} />
      <div>
        <button type="submit" className="jp-mod-styled jp-mod-accept dmod-Button" disabled={under_way}>
          Evaluate
        </button>
      </div>
    </form>
  );
}

/** The tab of an evaluation that was kept. */
export class EvaluationWidget extends PlaceWidget {
  constructor(
    place: Place,
    readonly evaluation: string
  ) {
    super(place, () => <Kept place={place} name={evaluation} />);
    this.addClass("dmod-JobWidget");
  }
}

/** A tab for an evaluation that was kept, to be added to the main area. */
export function evaluationTab(place: Place, name: string): MainAreaWidget<EvaluationWidget> {
  const tab = new MainAreaWidget({ content: new EvaluationWidget(place, name) });
  tab.id = `dmod-evaluation-${name}`;
  tab.title.label = name;
  tab.title.caption = `Evaluation ${name}`;
  tab.title.icon = riverIcon;
  tab.title.closable = true;
  return tab;
}

function Kept({ place, name }: { place: Place; name: string }): JSX.Element {
  const [tries, setTries] = React.useState(0);
  const { value, problem } = useAnswer(() => place.client.evaluation(name), [name, tries]);
  return (
    <div className="dmod-Job">
      <Presence place={place} />
      <header className="dmod-JobHead">
        <div className="dmod-JobTitle">
          <h2>{value?.title ?? name}</h2>
        </div>
        <Facts facts={[["kept as", name], ["rows", value ? count(value.total) : ""]]} />
      </header>
      <Trouble problem={problem} />
      {problem !== null && (
        <button type="button" className="dmod-Link" onClick={() => setTries(tries + 1)}>
          Try again
        </button>
      )}
      {value ? <Findings place={place} answer={value} /> : problem === null && <Remark>Reading …</Remark>}
    </div>
  );
}
