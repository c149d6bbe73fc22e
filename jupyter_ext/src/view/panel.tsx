/** The panel in the left side bar: jobs, datasets, and evaluations that were kept. */

import { addIcon } from "@jupyterlab/ui-components";
import * as React from "react";

import { Choice, CHOICES } from "../model/jobs";
import { count } from "../model/words";
import { DatasetList } from "./datasets";
import { EvaluationList } from "./evaluations";
import { JobList } from "./list";
import { IconButton, Page, Remark, Tabs } from "./pieces";
import { Place, useNow, useSignal } from "./place";
import { Presence } from "./presence";

const OWNER = "dmod-panel";
const PAGES = ["Jobs", "Datasets", "Evaluations"];

export function Panel({ place }: { place: Place }): JSX.Element {
  const [page, setPage] = React.useState("Jobs");
  return (
    <div className="dmod-Panel">
      <div className="dmod-PanelHead">
        <Tabs label="dmod" names={PAGES} chosen={page} choose={setPage} owner={OWNER} />
        <IconButton icon={addIcon} label="Run a directory …" act={() => void place.commands.execute("dmod:run")} />
      </div>
      <Presence place={place} />
      <Page owner={OWNER} name={page}>
        {page === "Jobs" && <JobsPage place={place} />}
        {page === "Datasets" && <DatasetList place={place} />}
        {page === "Evaluations" && <EvaluationList place={place} />}
      </Page>
    </div>
  );
}

function JobsPage({ place }: { place: Place }): JSX.Element {
  const { jobs } = place;
  useSignal(jobs.changed);
  const now_s = useNow(30);
  const minute_s = Math.floor(now_s / 30) * 30;
  const [choice, setChoice] = React.useState<Choice>("all");
  const [text, setText] = React.useState("");
  const [chosen, setChosen] = React.useState<string | null>(null);
  const shown = jobs.matching({ choice, text });
  const counts = jobs.counts();
  return (
    <>
      <div className="dmod-Filter">
        <Search text={text} setText={setText} label="Search jobs" />
        <select
          className="dmod-Select"
          aria-label="Which jobs"
          value={choice}
          onChange={event => setChoice(event.target.value as Choice)}
        >
          {CHOICES.map(one => (
            <option key={one} value={one}>
              {one} ({count(counts[one])})
            </option>
          ))}
        </select>
      </div>
      {jobs.known && !jobs.size && <Welcome place={place} />}
      {jobs.size > 0 && !shown.length && <Remark>No job is like that.</Remark>}
      <JobList place={place} jobs={shown} now_s={minute_s} chosen={chosen} choose={setChosen} />
    </>
  );
}

export function Search(props: { text: string; setText: (text: string) => void; label: string }): JSX.Element {
  const { text, setText, label } = props;
  return (
    <input
      type="search"
      className="dmod-Search"
      placeholder={label}
      aria-label={label}
      value={text}
      onChange={event => setText(event.target.value)}
      onKeyDown={event => {
        if (event.key === "Escape" && text) {
          setText("");
          event.stopPropagation();
        }
      }}
    />
  );
}

function Welcome({ place }: { place: Place }): JSX.Element {
  return (
    <div className="dmod-Welcome">
      <p>No jobs yet.</p>
      <p>
        Right-click a run directory in the file browser and choose <em>Run with dmod</em>, or name one:
      </p>
      <button
        type="button"
        className="jp-mod-styled jp-mod-accept dmod-Button"
        onClick={() => void place.commands.execute("dmod:run")}
      >
        Run a directory …
      </button>
    </div>
  );
}
