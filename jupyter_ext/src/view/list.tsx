/** The list of jobs: of a thousand, only those in sight are drawn. */

import { deleteIcon, refreshIcon, stopIcon } from "@jupyterlab/ui-components";
import * as React from "react";

import { JobSummary } from "../model/wire";
import { aloud, briefly, firstLine, isFinal } from "../model/words";
import { Bar, IconButton, StateMark } from "./pieces";
import { Place } from "./place";

const ROW_PX = 64;
const MARGIN = 6;

export function JobList(props: {
  place: Place;
  jobs: JobSummary[];
  now_s: number;
  chosen: string | null;
  choose: (id: string) => void;
}): JSX.Element {
  const { place, jobs, now_s, chosen, choose } = props;
  const box = React.useRef<HTMLDivElement>(null);
  const [sight, setSight] = React.useState({ top: 0, height: 600 });
  React.useEffect(() => {
    const node = box.current!;
    const look = () => setSight({ top: node.scrollTop, height: node.clientHeight });
    const observer = new ResizeObserver(look);
    observer.observe(node);
    node.addEventListener("scroll", look, { passive: true });
    return () => {
      observer.disconnect();
      node.removeEventListener("scroll", look);
    };
  }, []);
  const first = Math.max(0, Math.floor(sight.top / ROW_PX) - MARGIN);
  const last = Math.min(jobs.length, Math.ceil((sight.top + sight.height) / ROW_PX) + MARGIN);
  const here = jobs.findIndex(job => job.id === chosen);

  const go = (to: number) => {
    const at = Math.min(Math.max(to, 0), jobs.length - 1);
    choose(jobs[at].id);
    const node = box.current!;
    node.scrollTop = Math.min(Math.max(node.scrollTop, (at + 1) * ROW_PX - node.clientHeight), at * ROW_PX);
  };
  const press = (event: React.KeyboardEvent) => {
    const page = Math.max(1, Math.floor(sight.height / ROW_PX) - 1);
    const moves: Record<string, number> = {
      ArrowDown: here + 1,
      ArrowUp: here - 1,
      PageDown: here + page,
      PageUp: here - page,
      Home: 0,
      End: jobs.length - 1
    };
    if (!jobs.length) {
      return;
    }
    if (event.key in moves) {
      go(moves[event.key]);
    } else if (event.key === "Enter" && here >= 0) {
      void place.commands.execute("dmod:open", { id: jobs[here].id });
    } else if (event.key === "Delete" && here >= 0) {
      void place.commands.execute(isFinal(jobs[here].state) ? "dmod:delete" : "dmod:cancel", { id: jobs[here].id });
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div
      ref={box}
      className="dmod-List"
      role="listbox"
      aria-label="jobs"
      tabIndex={0}
      aria-activedescendant={here >= first && here < last ? rowId(jobs[here].id) : undefined}
      onKeyDown={press}
      onFocus={() => here < 0 && jobs.length > 0 && choose(jobs[0].id)}
    >
      <div role="presentation" className="dmod-Rows" style={{ height: jobs.length * ROW_PX }}>
        {jobs.slice(first, last).map((job, n) => (
          <Row
            key={job.id}
            job={job}
            at={first + n}
            of={jobs.length}
            now_s={now_s}
            chosen={job.id === chosen}
            choose={choose}
            place={place}
          />
        ))}
      </div>
    </div>
  );
}

const Row = React.memo(function Row(props: {
  job: JobSummary;
  at: number;
  of: number;
  now_s: number;
  chosen: boolean;
  choose: (id: string) => void;
  place: Place;
}): JSX.Element {
  const { job, at, of, now_s, chosen, choose, place } = props;
  const under_way = !isFinal(job.state);
  const act = (command: string) => () => void place.commands.execute(command, { id: job.id });
  return (
    <div
      id={rowId(job.id)}
      className="dmod-Row"
      role="option"
      data-job={job.id}
      aria-selected={chosen}
      aria-setsize={of}
      aria-posinset={at + 1}
      aria-label={aloud(job, now_s)}
      style={{ top: at * ROW_PX, height: ROW_PX }}
      title={`${job.name}\n${job.id}`}
      onMouseDown={() => choose(job.id)}
      onClick={act("dmod:open")}
    >
      <div className="dmod-RowHead">
        <span className="dmod-Name">{job.name}</span>
        <StateMark state={under_way && job.goal === "cancelled" ? "cancelling" : job.state} />
      </div>
      {under_way ? (
        <Bar job={job} hidden />
      ) : (
        <div className="dmod-RowText" data-tone={job.state === "failed" ? "bad" : undefined}>
          {firstLine(job.message)}
        </div>
      )}
      <div className="dmod-RowText dmod-mod-quiet">{briefly(job, now_s) || firstLine(job.message)}</div>
      <div className="dmod-RowActions" aria-hidden="true">
        {under_way && <IconButton icon={stopIcon} label={`Cancel ${job.name}`} act={act("dmod:cancel")} inTabOrder={false} />}
        {(job.state === "failed" || job.state === "cancelled") && (
          <IconButton icon={refreshIcon} label={`Restart ${job.name}`} act={act("dmod:restart")} inTabOrder={false} />
        )}
        {!under_way && (
          <IconButton icon={deleteIcon} label={`Delete ${job.name}`} act={act("dmod:delete")} inTabOrder={false} />
        )}
      </div>
    </div>
  );
});


function rowId(id: string): string {
  return `dmod-row-${id}`;
}
