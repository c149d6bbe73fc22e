/** The log of a job: follows its end, keeps a bounded number of lines, and goes back when asked. */

import * as React from "react";

import { LogLines, parted } from "../model/log";
import { LogLine, Message } from "../model/wire";
import { bounded, instant } from "../model/words";
import { Trouble } from "./pieces";
import { Place } from "./place";

const MOST_CHARACTERS = 10_000;
const NEAR_END_PX = 24;

export function LogView({ place, id }: { place: Place; id: string }): JSX.Element {
  const most = place.setting().logLines;
  const box = React.useRef<HTMLDivElement>(null);
  const [lines, setLines] = React.useState(() => new LogLines(most));
  const [follow, setFollow] = React.useState(true);
  const [trouble, setTrouble] = React.useState<unknown>(null);
  const [empty, setEmpty] = React.useState(true);
  const [full, setFull] = React.useState(false);
  const [more, setMore] = React.useState(false);
  /** Number of the line before those that are shown; null at the end of the log. */
  const [after, setAfter] = React.useState<number | null>(null);
  const following = React.useRef(follow);
  following.current = follow;

  React.useEffect(() => {
    const node = box.current!;
    node.replaceChildren();
    const show = (added: LogLine[], dropped: number) => {
      const known = node.childElementCount;
      for (let n = 0; n < dropped; n += 1) {
        node.firstChild?.remove();
      }
      const fresh = document.createDocumentFragment();
      added.forEach(line => fresh.append(drawn(line)));
      node.append(fresh);
      setEmpty(lines.lines.length === 0);
      setFull(lines.lines.length >= most);
      if (following.current) {
        node.scrollTop = node.scrollHeight;
      } else if (!known) {
        node.scrollTop = 0;
      }
    };
    const hear = (_: unknown, message: Message) => {
      if (message.kind === "log" && message.id === id) {
        const change = lines.add(message.lines);
        show(change.added, change.dropped);
      }
    };
    let wanted = true;
    let unwatch = () => undefined as void;
    const asked = place.client.log(id, after === null ? { tail: most } : { after, limit: most });
    asked.then(
      answer => {
        if (wanted) {
          setTrouble(null);
          const change = lines.add(answer.lines);
          show(change.added, change.dropped);
          setMore(answer.more);
          if (after === null) {
            place.stream.received.connect(hear);
            unwatch = place.stream.watchLog(id, () => lines.last);
          }
        }
      },
      problem => wanted && setTrouble(problem)
    );
    return () => {
      wanted = false;
      place.stream.received.disconnect(hear);
      unwatch();
    };
  }, [place, id, lines]);

  const scrolled = () => {
    const node = box.current!;
    const atEnd = node.scrollHeight - node.scrollTop - node.clientHeight < NEAR_END_PX;
    if (after === null && atEnd !== follow) {
      setFollow(atEnd);
    }
  };
  const show = (from: number | null) => {
    setAfter(from);
    setFollow(from === null);
    setLines(new LogLines(most));
  };

  return (
    <div className="dmod-LogView">
      <div className="dmod-LogHead">
        {(full || after !== null) && after !== -1 && (
          <button type="button" className="dmod-Link" onClick={() => show(-1)}>
            From the beginning
          </button>
        )}
        {after !== null && more && (
          <button type="button" className="dmod-Link" onClick={() => show(lines.last)}>
            Further on
          </button>
        )}
        {after !== null && (
          <button type="button" className="dmod-Link" onClick={() => show(null)}>
            To the end
          </button>
        )}
        <span className="dmod-Space" />
        {after === null && (
          <label className="dmod-Check">
            <input
              type="checkbox"
              checked={follow}
              onChange={event => {
                setFollow(event.target.checked);
                if (event.target.checked) {
                  box.current!.scrollTop = box.current!.scrollHeight;
                }
              }}
            />
            Follow
          </label>
        )}
      </div>
      <Trouble problem={trouble} />
      {empty && !trouble && <p className="dmod-Remark">Nothing has been said yet.</p>}
      <div
        ref={box}
        className="dmod-Log"
        role="log"
        aria-label="log"
        aria-live={follow ? "polite" : "off"}
        tabIndex={0}
        onScroll={scrolled}
      />
    </div>
  );
}

/** A line as text: whatever stands in it is shown, never obeyed. */
function drawn([number, at_s, text]: LogLine): HTMLElement {
  const line = document.createElement("div");
  const { level, words: said } = parted(text);
  line.className = "dmod-LogLine";
  line.dataset.level = level;
  line.dataset.number = String(number);
  const time = document.createElement("span");
  time.className = "dmod-LogTime";
  time.textContent = instant(at_s).slice(11);
  const words = document.createElement("span");
  words.className = "dmod-LogText";
  words.textContent = bounded(said.replace(/\n+$/, ""), MOST_CHARACTERS);
  line.append(time, words);
  return line;
}
