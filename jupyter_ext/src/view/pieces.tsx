/** Small pieces that several views show. */

import { LabIcon } from "@jupyterlab/ui-components";
import * as React from "react";

import { Refusal } from "../model/client";
import { JobSummary } from "../model/wire";
import { percentOf, signOf, toneOf } from "../model/words";

/** State of a job, with its sign. */
export function StateMark({ state }: { state: string }): JSX.Element {
  return (
    <span className="dmod-State" data-tone={toneOf(state)}>
      <span aria-hidden="true" className="dmod-Sign">
        {signOf(state)}
      </span>
      {state}
    </span>
  );
}

/** How far a job is. */
export function Bar({ job, hidden }: { job: JobSummary; hidden?: boolean }): JSX.Element {
  const percent = percentOf(job);
  const told =
    percent === null ? {} : { "aria-valuenow": percent, "aria-valuetext": `${Math.round(percent)} %` };
  return (
    <div className="dmod-Progress" data-tone={toneOf(job.state)} aria-hidden={hidden}>
      <div
        className="dmod-Bar"
        role="progressbar"
        aria-label={`progress of ${job.name}`}
        aria-valuemin={0}
        aria-valuemax={100}
        {...told}
      >
        <div className="dmod-Fill" style={{ width: `${percent ?? 0}%` }} />
      </div>
      <span className="dmod-Percent">{percent === null ? "" : `${Math.round(percent)} %`}</span>
    </div>
  );
}

/** A button that is an icon. */
export function IconButton(props: {
  icon: LabIcon;
  label: string;
  act: () => void;
  inTabOrder?: boolean;
  pressed?: boolean;
}): JSX.Element {
  const { icon, label, act, inTabOrder = true, pressed } = props;
  return (
    <button
      className="dmod-IconButton"
      type="button"
      title={label}
      aria-label={label}
      aria-pressed={pressed}
      tabIndex={inTabOrder ? 0 : -1}
      onClick={event => {
        event.stopPropagation();
        act();
      }}
    >
      <icon.react tag="span" elementSize="normal" aria-hidden="true" />
    </button>
  );
}

/** What went wrong, in the gateway's words. */
export function Trouble({ problem }: { problem: unknown }): JSX.Element | null {
  if (!problem) {
    return null;
  }
  const lines = problem instanceof Refusal ? problem.lines : [String(problem)];
  return (
    <div className="dmod-Trouble" role="alert">
      {lines.map((line, n) => (
        <div key={n} className={n === 0 ? "dmod-TroubleHead" : "dmod-TroubleLine"}>
          {line}
        </div>
      ))}
    </div>
  );
}

/** Pairs of a label and a value. */
export function Facts({ facts }: { facts: [string, React.ReactNode][] }): JSX.Element {
  return (
    <dl className="dmod-Facts">
      {facts
        .filter(([, value]) => value !== "" && value !== null && value !== undefined)
        .map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

/** Tabs, as the ARIA practices have them: arrows move, and what is chosen is shown. */
export function Tabs(props: {
  label: string;
  names: string[];
  chosen: string;
  choose: (name: string) => void;
  owner: string;
}): JSX.Element {
  const { label, names, chosen, choose, owner } = props;
  const move = (event: React.KeyboardEvent) => {
    const here = names.indexOf(chosen);
    const to = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: names.length - 1 }[event.key];
    if (to === undefined) {
      return;
    }
    event.preventDefault();
    const name = names[(to + names.length) % names.length];
    choose(name);
    document.getElementById(tabId(owner, name))?.focus();
  };
  return (
    <div className="dmod-Tabs" role="tablist" aria-label={label} onKeyDown={move}>
      {names.map(name => (
        <button
          key={name}
          id={tabId(owner, name)}
          type="button"
          role="tab"
          className="dmod-Tab"
          aria-selected={name === chosen}
          aria-controls={`${owner}-page`}
          tabIndex={name === chosen ? 0 : -1}
          onClick={() => choose(name)}
        >
          {name}
        </button>
      ))}
    </div>
  );
}

export function tabId(owner: string, name: string): string {
  return `${owner}-tab-${name.replace(/\W/g, "-")}`;
}

/** What belongs to the chosen tab. */
export function Page(props: { owner: string; name: string; children: React.ReactNode }): JSX.Element {
  return (
    <div className="dmod-Page" id={`${props.owner}-page`} role="tabpanel" aria-labelledby={tabId(props.owner, props.name)}>
      {props.children}
    </div>
  );
}

/** A remark where there is nothing to show. */
export function Remark({ children }: { children: React.ReactNode }): JSX.Element {
  return <p className="dmod-Remark">{children}</p>;
}
