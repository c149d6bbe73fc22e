/** The line that a job walks, with where it stands. */

import * as React from "react";

import { spentOn, Stage, stagesOf } from "../model/stages";
import { JobEvent, JobSummary, Verb } from "../model/wire";
import { duration } from "../model/words";

const SIGNS: Record<Stage, string> = { done: "✓", now: "●", stopped: "✕", ahead: "" };
const WORDS: Record<Stage, string> = { done: "done", now: "under way", stopped: "stopped here", ahead: "still to come" };

export function Line(props: { job: JobSummary; verbs: Verb[]; events: readonly JobEvent[] }): JSX.Element | null {
  const { job, verbs, events } = props;
  const stages = stagesOf(job, verbs, events);
  if (!verbs.length) {
    return null;
  }
  return (
    <ol className="dmod-Line" aria-label="the line of the job">
      {verbs.map((verb, n) => {
        const spent = spentOn(verb, events);
        return (
          <li key={verb.verb} className="dmod-Verb" data-stage={stages[n]} aria-current={stages[n] === "now" ? "step" : undefined}>
            <span className="dmod-VerbSign" aria-hidden="true">
              {SIGNS[stages[n]]}
            </span>
            <span className="dmod-VerbName">{verb.verb}</span>
            <span className="dmod-Hidden">, {WORDS[stages[n]]}</span>
            <span className="dmod-VerbTime">{spent === null ? "" : duration(spent)}</span>
          </li>
        );
      })}
    </ol>
  );
}
