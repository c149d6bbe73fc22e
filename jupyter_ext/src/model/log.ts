/** The last lines of a log: however long it is, no more than a bounded number is kept. */

import { LogLine } from "./wire";

const STAMPED = /^\d{4}-\d\d-\d\dT\S+ (DEBUG|INFO|WARNING|ERROR|CRITICAL)\s+/;

/** The level and the words of a line: its time stands beside it already. */
export function parted(text: string): { level: string; words: string } {
  const found = STAMPED.exec(text);
  return found ? { level: found[1].toLowerCase(), words: text.slice(found[0].length) } : { level: "", words: text };
}

/** What changed when lines came. */
export interface LogChange {
  /** Lines that are new, oldest first. */
  added: LogLine[];
  /** How many of the oldest went. */
  dropped: number;
}

export class LogLines {
  private _lines: LogLine[] = [];

  /** @param most - How many lines are kept. */
  constructor(readonly most: number) {}

  get lines(): readonly LogLine[] {
    return this._lines;
  }

  /** Number of the last line; -1 where there is none. */
  get last(): number {
    return this._lines.length ? this._lines[this._lines.length - 1][0] : -1;
  }

  /** Take in lines; those that are known already are left out. */
  add(lines: readonly LogLine[]): LogChange {
    const last = this.last;
    const fresh = lines.filter(line => line[0] > last);
    const all = [...this._lines, ...fresh];
    const dropped = Math.max(0, all.length - this.most);
    const known = this._lines.length;
    this._lines = all.slice(dropped);
    return { added: fresh.slice(Math.max(0, dropped - known)), dropped: Math.min(dropped, known) };
  }
}
