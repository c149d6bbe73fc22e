/** What every view is given, and the widget that holds one. */

import { ReactWidget } from "@jupyterlab/ui-components";
import { CommandRegistry } from "@lumino/commands";
import { Message } from "@lumino/messaging";
import { ISignal } from "@lumino/signaling";
import * as React from "react";

import { Attention } from "../attention";
import { Client } from "../model/client";
import { Jobs } from "../model/jobs";
import { Stream } from "../model/stream";
import { Setting } from "../setting";

const TYPING_MS = 250;

/** What views ask and tell. */
export interface Place {
  client: Client;
  jobs: Jobs;
  stream: Stream;
  attention: Attention;
  commands: CommandRegistry;
  setting: () => Setting;
  /** Emitted when colours change. */
  repainted: ISignal<unknown, unknown> | null;
  /** The path of a directory in the file browser; null where it cannot be shown there. */
  browsable: (path: string) => string | null;
}

/** A widget of React that says whether it is shown. */
export class PlaceWidget extends ReactWidget {
  constructor(
    protected readonly place: Place,
    private readonly draw: () => React.ReactElement
  ) {
    super();
  }

  protected render(): React.ReactElement {
    return this.draw();
  }

  protected onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.place.attention.mark(this, this.isVisible);
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.place.attention.mark(this, true);
  }

  protected onBeforeHide(message: Message): void {
    super.onBeforeHide(message);
    this.place.attention.mark(this, false);
  }

  protected onBeforeDetach(message: Message): void {
    super.onBeforeDetach(message);
    this.place.attention.mark(this, false);
  }
}

/** Draw again after a signal, once per frame at most; how often that was. */
export function useSignal(signal: ISignal<any, any> | null): number {
  const [times, draw] = React.useReducer((times: number) => times + 1, 0);
  React.useEffect(() => {
    let frame = 0;
    const later = () => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        draw();
      });
    };
    signal?.connect(later);
    return () => {
      signal?.disconnect(later);
      cancelAnimationFrame(frame);
    };
  }, [signal]);
  return times;
}

/** Draw again after a signal, at once: what is typed or turned to is not a frame late. */
export function usePromptSignal(signal: ISignal<any, any>): void {
  const [, draw] = React.useReducer((times: number) => times + 1, 0);
  React.useEffect(() => {
    signal.connect(draw);
    return () => {
      signal.disconnect(draw);
    };
  }, [signal]);
}

/** A text that has not changed for a moment: what is typed is not asked for letter by letter. */
export function useRested(text: string): string {
  const [rested, setRested] = React.useState(text);
  React.useEffect(() => {
    const timer = window.setTimeout(() => setRested(text), TYPING_MS);
    return () => window.clearTimeout(timer);
  }, [text]);
  return rested;
}

/** The time [s since 1970], anew every *every_s*. */
export function useNow(every_s: number): number {
  const [now_s, setNow] = React.useState(() => Date.now() / 1000);
  React.useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now() / 1000), every_s * 1000);
    return () => window.clearInterval(timer);
  }, [every_s]);
  return Math.max(now_s, Date.now() / 1000);
}

/** The answer to a question; asked anew when *keys* change. */
export function useAnswer<T>(ask: () => Promise<T>, keys: unknown[]): { value: T | null; problem: unknown } {
  const [answer, setAnswer] = React.useState<{ value: T | null; problem: unknown }>({ value: null, problem: null });
  React.useEffect(() => {
    let wanted = true;
    ask().then(
      value => wanted && setAnswer({ value, problem: null }),
      problem => wanted && setAnswer(before => ({ value: before.value, problem }))
    );
    return () => {
      wanted = false;
    };
  }, keys);
  return answer;
}
