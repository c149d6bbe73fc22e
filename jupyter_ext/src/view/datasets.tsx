/** The datasets there are, in the panel. */

import * as React from "react";

import { Refusal } from "../model/client";
import { Dataset } from "../model/wire";
import { ago, bounded, bytes, count } from "../model/words";
import { shortened } from "./about";
import { Search } from "./panel";
import { Facts, Remark, Trouble } from "./pieces";
import { Place, useAnswer, useNow, useRested, useSignal } from "./place";

const CATEGORIES = ["config", "forcing", "hydrofabric", "observation", "output"];

export function DatasetList({ place }: { place: Place }): JSX.Element {
  const [text, setText] = React.useState("");
  const asked = useRested(text);
  const [category, setCategory] = React.useState("");
  const changed = useSignal(place.client.datasetsChanged);
  const [trouble, setTrouble] = React.useState<unknown>(null);
  const now_s = useNow(30);
  useSignal(place.stream.phaseChanged);
  const { phase } = place.stream;
  const limit = place.setting().datasetLimit;
  const { value, problem } = useAnswer(
    () => place.client.datasets({ category, text: asked, limit }),
    [category, asked, limit, changed, phase === "live"]
  );
  const remove = async (name: string) => {
    setTrouble(null);
    try {
      await place.commands.execute("dmod:delete-dataset", { name });
    } catch (refused) {
      setTrouble(refused instanceof Refusal ? refused : new Refusal(0, String(refused)));
    }
  };
  return (
    <>
      <div className="dmod-Filter">
        <Search text={text} setText={setText} label="Search datasets" />
        <select
          className="dmod-Select"
          aria-label="Which datasets"
          value={category}
          onChange={event => setCategory(event.target.value)}
        >
          <option value="">all</option>
          {CATEGORIES.map(one => (
            <option key={one}>{one}</option>
          ))}
        </select>
      </div>
      <Trouble problem={trouble ?? problem} />
      {value && !value.datasets.length && <Remark>{asked || category ? "No dataset is like that." : "No datasets yet."}</Remark>}
      {value && value.datasets.length > 0 && (
        <ul className="dmod-Datasets" aria-label="datasets">
          {value.datasets.map(one => (
            <li key={one.id}>
              <One
                one={one}
                now_s={now_s}
                open={name => void place.commands.execute("dmod:open-evaluation", { name })}
                remove={remove}
              />
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
  const { one, now_s, open: look, remove } = props;
  const [open, setOpen] = React.useState(false);
  return (
    <details className="dmod-Dataset" onToggle={event => setOpen(event.currentTarget.open)}>
      <summary>
        <span className="dmod-Name">{one.name}</span>
        <span className="dmod-RowText dmod-mod-quiet">
          {[one.category, bytes(one.size), ago(one.created_s, now_s)].filter(Boolean).join(" · ")}
        </span>
      </summary>
      {open && (
        <>
          <Facts
            facts={[
              ["format", one.about || one.format],
              ["holds", bounded(one.holds, 500)],
              ["description", bounded(one.description, 500)],
              ["files", count(one.files)],
              ["lies in", one.where],
              ["owner", one.owner],
              ["derived by", one.rule ?? ""],
              ["from", one.parents.map(shortened).join(", ")],
              ["digest", <code key="digest">{shortened(one.digest)}</code>]
            ]}
          />
          {one.format === "evaluation" && (
            <button type="button" className="dmod-Link" onClick={() => look(one.name)}>
              Open
            </button>
          )}
          <button type="button" className="dmod-Link" onClick={() => remove(one.name)}>
            Remove …
          </button>
        </>
      )}
    </details>
  );
}
