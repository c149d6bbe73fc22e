/** The evaluations that were kept, in the panel. */

import { deleteIcon } from "@jupyterlab/ui-components";
import * as React from "react";

import { Dataset } from "../model/wire";
import { ago, bytes, count } from "../model/words";
import { Search } from "./panel";
import { IconButton, Remark, Trouble } from "./pieces";
import { Place, useAnswer, useNow, useRested, useSignal } from "./place";

export function EvaluationList({ place }: { place: Place }): JSX.Element {
  const [text, setText] = React.useState("");
  const asked = useRested(text);
  const now_s = useNow(30);
  const changed = useSignal(place.client.datasetsChanged);
  const [trouble, setTrouble] = React.useState<unknown>(null);
  useSignal(place.stream.phaseChanged);
  const { phase } = place.stream;
  const limit = place.setting().datasetLimit;
  const { value, problem } = useAnswer(
    () => place.client.datasets({ format: "evaluation", text: asked, limit }),
    [asked, limit, changed, phase === "live"]
  );
  const remove = (name: string) => {
    setTrouble(null);
    place.commands.execute("dmod:delete-dataset", { name }).catch(setTrouble);
  };
  return (
    <>
      <div className="dmod-Filter">
        <Search text={text} setText={setText} label="Search evaluations" />
      </div>
      <Trouble problem={trouble ?? problem} />
      {value && !value.datasets.length && (
        <Remark>
          {asked ? "No evaluation is like that." : "No evaluations yet: name one under Keep as, on the Evaluation page of a job."}
        </Remark>
      )}
      {value && value.datasets.length > 0 && (
        <ul className="dmod-Datasets" aria-label="evaluations" onKeyDown={walk}>
          {value.datasets.map(one => (
            <li key={one.id} className="dmod-Evaluated">
              <One one={one} now_s={now_s} open={name => void place.commands.execute("dmod:open-evaluation", { name })} remove={remove} />
            </li>
          ))}
        </ul>
      )}
      {value && value.total > value.datasets.length && (
        <Remark>
          The newest {count(value.datasets.length)} of {count(value.total)}; search for others.
        </Remark>
      )}
    </>
  );
}

function One(props: {
  one: Dataset;
  now_s: number;
  open: (name: string) => void;
  remove: (name: string) => void;
}): JSX.Element {
  const { one, now_s, open, remove } = props;
  const press = (event: React.KeyboardEvent) => {
    if (event.key === "Delete") {
      remove(one.name);
      event.preventDefault();
      event.stopPropagation();
    }
  };
  return (
    <>
      <button type="button" className="dmod-Opener" title={one.name} onClick={() => open(one.name)} onKeyDown={press}>
        <span className="dmod-Name">{one.name}</span>
        <span className="dmod-RowText">{one.description}</span>
        <span className="dmod-RowText dmod-mod-quiet">{[ago(one.created_s, now_s), bytes(one.size)].filter(Boolean).join(" · ")}</span>
      </button>
      <IconButton icon={deleteIcon} label={`Remove ${one.name} …`} act={() => remove(one.name)} />
    </>
  );
}

/** Arrows move between the evaluations of a list. */
function walk(event: React.KeyboardEvent<HTMLElement>): void {
  const all = [...event.currentTarget.querySelectorAll<HTMLElement>(".dmod-Opener")];
  const here = all.indexOf(document.activeElement as HTMLElement);
  const to = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: all.length - 1 }[event.key];
  if (to !== undefined) {
    event.preventDefault();
    all[Math.min(Math.max(to, 0), all.length - 1)].focus();
  }
}
