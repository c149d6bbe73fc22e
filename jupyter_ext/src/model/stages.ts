/** Where on the line a job stands, as its state and its events say. */

import { JobEvent, JobSummary, Verb } from "./wire";
import { isFinal } from "./words";

/** Done, under way, where it stopped, or still to come. */
export type Stage = "done" | "now" | "stopped" | "ahead";

/** What each verb of the line is to a job. */
export function stagesOf(job: JobSummary, verbs: Verb[], events: readonly JobEvent[]): Stage[] {
  const ended = isFinal(job.state) && job.state !== "complete";
  const state = ended ? lastStanding(events) : job.state;
  const here = state === "complete" ? verbs.length : verbs.findIndex(verb => verb.before === state);
  return verbs.map((_, n) => (n < here ? "done" : n > here ? "ahead" : ended ? "stopped" : "now"));
}

/** The state before a job failed or was cancelled. */
function lastStanding(events: readonly JobEvent[]): string {
  const standing = events.filter(event => !isFinal(event.state));
  return standing.length ? standing[standing.length - 1].state : "requested";
}

/** How long a verb took the last time [s]; null where it has not been done. */
export function spentOn(verb: Verb, events: readonly JobEvent[]): number | null {
  const latest = [...events].reverse();
  const after = latest.find(event => event.state === verb.after);
  const began = after && latest.find(event => event.state === verb.before && event.number < after.number);
  return after && began ? Math.max(0, after.at_s - began.at_s) : null;
}
