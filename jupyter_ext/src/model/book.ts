/** All that is known of one job: asked for when first wanted, and kept up with what the stream tells. */

import { ISignal, Signal } from "@lumino/signaling";

import { Client, Refusal } from "./client";
import { Comparison } from "./evaluation";
import { Jobs } from "./jobs";
import { JobDetail, JobEvent, JobSummary } from "./wire";

const LEAST_MS = 1_000;

export class Book {
  private readonly _changed = new Signal<this, void>(this);
  private _detail: JobDetail | null = null;
  private _events: JobEvent[] = [];
  private _asking = false;
  private _again = false;
  private _closed = false;
  private _seen: JobSummary | undefined;
  /** How good it is, as last asked. */
  readonly comparison: Comparison;
  /** What went wrong when it was last asked; null where nothing did. */
  trouble: Refusal | null = null;
  /** Whether the job is not there any more. */
  gone = false;

  constructor(
    private readonly client: Client,
    private readonly jobs: Jobs,
    readonly id: string
  ) {
    this.comparison = new Comparison(client, id);
    this._seen = jobs.get(id);
    jobs.changed.connect(this.look, this);
    void this.refresh();
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Where the job stands; undefined before anything is known. */
  get job(): JobSummary | undefined {
    return this.jobs.get(this.id) ?? this._detail ?? undefined;
  }

  get detail(): JobDetail | null {
    return this._detail;
  }

  get events(): readonly JobEvent[] {
    return this._events;
  }

  close(): void {
    this._closed = true;
    Signal.disconnectReceiver(this);
  }

  /** Ask for what is new. */
  async refresh(): Promise<void> {
    if (this._asking) {
      this._again = true;
      return;
    }
    this._asking = true;
    try {
      await this.ask();
      this.trouble = null;
      this.gone = false;
    } catch (problem) {
      if (!(problem instanceof Refusal)) {
        throw problem;
      }
      this.gone = problem.status === 404;
      this.trouble = problem;
    } finally {
      this._asking = false;
    }
    if (this._closed) {
      return;
    }
    this._changed.emit();
    if (this._again) {
      this._again = false;
      setTimeout(() => void (this._closed || this.refresh()), LEAST_MS);
    }
  }

  private async ask(): Promise<void> {
    if (this._detail === null) {
      this._detail = await this.client.job(this.id);
      this._events = this._detail.events ?? [];
      return;
    }
    const last = this._events.length ? this._events[this._events.length - 1].number : -1;
    const { events } = await this.client.events(this.id, last);
    this._events = [...this._events, ...events.filter(event => event.number > last)];
  }

  private look(): void {
    const now = this.jobs.get(this.id);
    const before = this._seen;
    this._seen = now;
    if (now === before) {
      return;
    }
    if (!now) {
      void this.refresh();
      return;
    }
    if (!before || before.state !== now.state || before.message !== now.message || this.gone) {
      void this.refresh();
    }
    this._changed.emit();
  }
}
