/** A job in the main area: where it stands, the line it walks, and pages of what there is to know. */

import { MainAreaWidget } from "@jupyterlab/apputils";
import { Signal } from "@lumino/signaling";
import * as React from "react";

import { Book } from "../model/book";
import { JobSummary } from "../model/wire";
import { count, duration, handsOf, hostsOf, instant, isFinal, speed } from "../model/words";
import { riverIcon } from "../icons";
import { EventsPage, InputsPage, PlanPage, ResourcesPage } from "./about";
import { EvaluationPage } from "./evaluation";
import { Line } from "./line";
import { LogView } from "./log";
import { OutputsPage } from "./outputs";
import { Bar, Facts, Page, Remark, StateMark, Tabs, Trouble } from "./pieces";
import { Place, PlaceWidget, usePromptSignal, useSignal } from "./place";
import { Presence } from "./presence";

const PAGES = ["Events", "Log", "Outputs", "Evaluation", "Inputs", "Plan", "Resources"];

/** The tab of a job. */
export class JobWidget extends PlaceWidget {
  readonly book: Book;
  readonly turned = new Signal<this, void>(this);
  private _page = PAGES[0];

  constructor(
    place: Place,
    readonly job: string
  ) {
    super(place, () => <JobView place={place} widget={this} />);
    this.book = new Book(place.client, place.jobs, job);
    this.addClass("dmod-JobWidget");
  }

  /** The page that is shown. */
  get page(): string {
    return this._page;
  }

  turnTo(page: string): void {
    this._page = page;
    this.turned.emit();
  }

  dispose(): void {
    this.book.close();
    super.dispose();
  }
}

/** A tab for a job, to be added to the main area. */
export function tabOf(place: Place, job: string): MainAreaWidget<JobWidget> {
  const content = new JobWidget(place, job);
  const tab = new MainAreaWidget({ content });
  const name = () => {
    tab.title.label = content.book.job?.name ?? job;
    tab.title.caption = job;
  };
  tab.id = `dmod-job-${job}`;
  tab.title.icon = riverIcon;
  tab.title.closable = true;
  content.book.changed.connect(name);
  name();
  return tab;
}

function JobView({ place, widget }: { place: Place; widget: JobWidget }): JSX.Element {
  const { book, page } = widget;
  useSignal(book.changed);
  usePromptSignal(widget.turned);
  const { job } = book;
  const owner = `dmod-job-${book.id}`;
  if (book.gone) {
    return (
      <Remark>
        The job <code>{book.id}</code> is not there any more. It may have been deleted in another tab; its outputs stay where
        they are.
      </Remark>
    );
  }
  if (!job) {
    return book.trouble ? <Trouble problem={book.trouble} /> : <Remark>Reading …</Remark>;
  }
  return (
    <div className="dmod-Job">
      <Presence place={place} />
      <Head place={place} job={job} directory={book.detail?.directory ?? null} />
      <Line job={job} verbs={book.detail?.verbs ?? []} events={book.events} />
      {job.message && job.state !== "complete" && (
        <div className="dmod-Message" data-tone={job.state === "failed" ? "bad" : undefined}>
          {job.message}
        </div>
      )}
      <Tabs label={`pages of ${job.name}`} names={PAGES} chosen={page} choose={to => widget.turnTo(to)} owner={owner} />
      <Page owner={owner} name={page}>
        {page === "Events" && <EventsPage events={book.events} />}
        {page === "Log" && <LogView place={place} id={book.id} />}
        {page === "Outputs" && <OutputsPage place={place} id={book.id} state={job.state} />}
        {page === "Evaluation" && (
          <EvaluationPage place={place} id={book.id} state={job.state} comparison={book.comparison} />
        )}
        {page === "Inputs" && <InputsPage place={place} id={book.id} state={job.state} />}
        {page === "Plan" && <PlanPage place={place} id={book.id} state={job.state} />}
        {page === "Resources" && <ResourcesPage place={place} id={book.id} state={job.state} />}
      </Page>
    </div>
  );
}

function Head({ place, job, directory }: { place: Place; job: JobSummary; directory: string | null }): JSX.Element {
  const under_way = !isFinal(job.state);
  return (
    <header className="dmod-JobHead">
      <div className="dmod-JobTitle">
        <h2>{job.name}</h2>
        <StateMark state={job.state} />
        <span className="dmod-Space" />
        {under_way && <Act place={place} job={job} command="dmod:cancel" label="Cancel" />}
        {(job.state === "failed" || job.state === "cancelled") && (
          <Act place={place} job={job} command="dmod:restart" label="Restart" />
        )}
        {!under_way && <Act place={place} job={job} command="dmod:delete" label="Delete …" />}
      </div>
      <Bar job={job} />
      <Facts
        facts={[
          ["elapsed", job.elapsed_s ? duration(job.elapsed_s) : ""],
          ["left", under_way ? duration(job.remaining_s, "about ") : ""],
          ["speed", speed(job.rate)],
          ["catchment-steps", job.total ? `${count(job.done)} of ${count(job.total)}` : ""],
          ["on", [job.on, handsOf(job)].filter(Boolean).join(", ")],
          ["hosts", hostsOf(job)],
          ["submitted", job.submitted_s ? `${instant(job.submitted_s)} UTC` : ""],
          ["id", <code key="id">{job.id}</code>],
          ["run directory", directory ? <code key="directory">{directory}</code> : ""]
        ]}
      />
    </header>
  );
}

function Act(props: { place: Place; job: JobSummary; command: string; label: string }): JSX.Element {
  const { place, job, command, label } = props;
  return (
    <button
      type="button"
      className="jp-mod-styled dmod-Button"
      disabled={label === "Cancel" && job.goal === "cancelled"}
      onClick={() => void place.commands.execute(command, { id: job.id })}
    >
      {label === "Cancel" && job.goal === "cancelled" ? "Cancelling …" : label}
    </button>
  );
}
