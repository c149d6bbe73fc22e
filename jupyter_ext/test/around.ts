/** What stands for the browser in tests: sockets that are played by hand, and a clock that is set. */

import { Socket, Surroundings } from "../src/model/stream";

export class FakeSocket implements Socket {
  onopen: ((event: any) => void) | null = null;
  onmessage: ((event: any) => void) | null = null;
  onclose: ((event: any) => void) | null = null;
  readonly sent: any[] = [];
  closed = false;

  constructor(readonly cursor: number | null) {}

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.closed = true;
  }

  say(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  breakDown(): void {
    this.onclose?.({});
  }
}

/** A machine whose time passes when it is told to. */
export class FakeMachine implements Surroundings {
  readonly sockets: FakeSocket[] = [];
  private time_ms = 0;
  private due: { at_ms: number; act: () => void }[] = [];
  /** What a plain question is answered. */
  status = 200;

  open(cursor: number | null): Socket {
    const socket = new FakeSocket(cursor);
    this.sockets.push(socket);
    return socket;
  }

  get socket(): FakeSocket {
    return this.sockets[this.sockets.length - 1];
  }

  ask(): Promise<number> {
    return Promise.resolve(this.status);
  }

  later(act: () => void, delay_ms: number): () => void {
    const one = { at_ms: this.time_ms + delay_ms, act };
    this.due.push(one);
    return () => {
      this.due = this.due.filter(other => other !== one);
    };
  }

  now(): number {
    return this.time_ms;
  }

  /** Let time pass, and everything happen that is due. */
  pass(span_ms: number): void {
    const end_ms = this.time_ms + span_ms;
    for (;;) {
      const next = this.due.filter(one => one.at_ms <= end_ms).sort((a, b) => a.at_ms - b.at_ms)[0];
      if (!next) {
        break;
      }
      this.due = this.due.filter(one => one !== next);
      this.time_ms = Math.max(this.time_ms, next.at_ms); // after a sleep much is overdue
      next.act();
    }
    this.time_ms = end_ms;
  }

  /** Let time pass without anything happening, as while a laptop is shut. */
  sleep(span_ms: number): void {
    this.time_ms += span_ms;
  }

  get waiting(): number {
    return this.due.length;
  }
}

/** Let promises that are kept already take effect. */
export async function settled(): Promise<void> {
  await new Promise(resolve => setTimeout(resolve, 0));
}
