/**
 * The stream of what happens: it opens a websocket, opens it again when it breaks, and says
 * how it stands. It knows neither JupyterLab nor the browser: both are given to it.
 */

import { ISignal, Signal } from "@lumino/signaling";

import { Message } from "./wire";

/**
 * How a stream stands: not wanted, being opened, open, waiting before it is tried again, refused
 * because whoever asks is not known any more, or absent because the server has no gateway.
 */
export type Phase = "idle" | "connecting" | "live" | "waiting" | "refused" | "absent";

/** The part of a WebSocket that is used. */
export interface Socket {
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  send(text: string): void;
  close(): void;
}

/** What is around a stream. */
export interface Surroundings {
  /** Open a socket that begins after *cursor*. */
  open(cursor: number | null): Socket;
  /** Why a socket may have failed: the HTTP status of a plain question, 0 where there is no answer. */
  ask(): Promise<number>;
  /** Do something later; what is given back stops it. */
  later(act: () => void, delay_ms: number): () => void;
  /** The time [ms]. */
  now(): number;
}

interface Watch {
  job: string;
  after: () => number;
}

const FIRST_MS = 500;
const TICK_MS = 5_000;
/** A tick this late means that the machine slept: what was open is not to be trusted. */
const SLEPT_MS = 20_000;
/** The gateway says something at least every 20 s. */
const SILENT_MS = 65_000;
const OPENING_MS = 20_000;
const TURN_MS = 500;

export class Stream {
  private _phase: Phase = "idle";
  private _socket: Socket | null = null;
  private _delay_ms = FIRST_MS;
  private _heard_ms = 0;
  private _ticked_ms = 0;
  private _retry: (() => void) | null = null;
  private _tick: (() => void) | null = null;
  private readonly _phaseChanged = new Signal<this, Phase>(this);
  private readonly _received = new Signal<this, Message>(this);
  private _watches: Watch[] = [];
  private _turn: (() => void) | null = null;
  /** When it is tried again [ms], while it is waiting. */
  retryAt_ms = 0;
  /** What is wrong on the other side; empty where nothing is. */
  trouble = "";

  /**
   * @param around - What opens sockets and tells the time.
   * @param cursor - Number of the last event that is known.
   * @param most_ms - The longest wait before it is tried again.
   */
  constructor(
    private readonly around: Surroundings,
    private readonly cursor: () => number | null,
    public most_ms = 30_000
  ) {}

  get phase(): Phase {
    return this._phase;
  }

  /** Emitted when it stands otherwise, or the other side falls into trouble or out of it. */
  get phaseChanged(): ISignal<this, Phase> {
    return this._phaseChanged;
  }

  get received(): ISignal<this, Message> {
    return this._received;
  }

  /** Begin, or go on after `stop`. */
  start(): void {
    if (this._phase === "idle") {
      this._delay_ms = FIRST_MS;
      this._ticked_ms = this.around.now();
      this.tick();
      this.connect();
    }
  }

  /** End it: nothing is open and nothing is asked until `start`. */
  stop(): void {
    this._tick?.();
    this._tick = null;
    this.drop();
    this.go("idle");
  }

  /** Try again now. */
  hurry(): void {
    if (this._phase !== "idle" && this._phase !== "live") {
      this._delay_ms = FIRST_MS;
      this.connect();
    }
  }

  /**
   * Have new lines of a job's log sent until the function given back is called. One log is sent at
   * a time; where several are watched they take turns.
   *
   * @param job - Its id.
   * @param after - Number of the last line that is known.
   */
  watchLog(job: string, after: () => number): () => void {
    const watch: Watch = { job, after };
    this._watches.push(watch);
    this.turn();
    return () => {
      this._watches = this._watches.filter(one => one !== watch);
      this.turn();
    };
  }

  /** Watch the log whose turn it is. */
  private turn(): void {
    this._turn?.();
    this._turn = null;
    const [next, ...others] = this._watches;
    this.say({ watch: next ? { log: next.job, after: next.after() } : null });
    if (others.length && this._phase === "live") {
      this._watches = [...others, next];
      this._turn = this.around.later(() => this.turn(), TURN_MS);
    }
  }

  private say(what: object): void {
    if (this._phase === "live") {
      this._socket?.send(JSON.stringify(what));
    }
  }

  private connect(): void {
    this.drop();
    this.go("connecting");
    let socket: Socket;
    try {
      socket = this.around.open(this.cursor());
    } catch {
      void this.wait();
      return;
    }
    this._socket = socket;
    this._heard_ms = this.around.now();
    socket.onopen = () => {
      this._heard_ms = this.around.now();
    };
    socket.onmessage = event => this.hear(String(event.data));
    socket.onclose = () => {
      if (this._socket === socket) {
        this.drop();
        void this.wait();
      }
    };
  }

  private hear(text: string): void {
    this._heard_ms = this.around.now();
    let message: Message;
    try {
      message = JSON.parse(text) as Message;
    } catch {
      return; // half a message says nothing; the next one will
    }
    this.trouble = message.kind === "trouble" ? message.error : message.kind === "recovered" ? "" : this.trouble;
    this._received.emit(message);
    if (message.kind === "trouble" || message.kind === "recovered") {
      this._phaseChanged.emit(this._phase);
    }
    if (this._phase === "connecting") {
      this._delay_ms = FIRST_MS;
      this.go("live");
      if (this._watches.length) {
        this.turn();
      }
    }
  }

  /** Find out why it failed, and try again after a while. */
  private async wait(): Promise<void> {
    const delay_ms = this._delay_ms;
    this._delay_ms = Math.min(2 * delay_ms, this.most_ms);
    this.retryAt_ms = this.around.now() + delay_ms;
    this.go("waiting");
    this._retry?.();
    this._retry = this.around.later(() => this.connect(), delay_ms);
    const status = await this.around.ask();
    if (this._phase === "waiting" && (status === 401 || status === 403 || status === 404)) {
      this.go(status === 404 ? "absent" : "refused");
    }
  }

  /** Look now and then whether the machine slept, or the other side fell silent. */
  private tick(): void {
    this._tick = this.around.later(() => {
      const now_ms = this.around.now();
      const slept = now_ms - this._ticked_ms > SLEPT_MS;
      const silent_ms = now_ms - this._heard_ms;
      this._ticked_ms = now_ms;
      const stuck = this._phase === "live" ? silent_ms > SILENT_MS : silent_ms > OPENING_MS;
      if (slept || (stuck && this._socket)) {
        this._delay_ms = FIRST_MS;
        this.connect();
      }
      this.tick();
    }, TICK_MS);
  }

  private drop(): void {
    this._retry?.();
    this._turn?.();
    this._retry = this._turn = null;
    this.trouble = "";
    const socket = this._socket;
    this._socket = null;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  private go(phase: Phase): void {
    if (phase !== this._phase) {
      this._phase = phase;
      this._phaseChanged.emit(phase);
    }
  }
}
