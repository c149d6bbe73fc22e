/** Questions to the gateway, and what it refuses, in its own words. */

import { ISignal, Signal } from "@lumino/signaling";

import { Dataset, Evaluation, Gage, Input, JobDetail, JobEvent, LogLine, Outputs, Series, Status, Use } from "./wire";

/** Answers a request below `dmod/api/`. */
export type Fetch = (path: string, method: string, body?: unknown) => Promise<Answer>;

/** The part of an HTTP response that is used. */
export interface Answer {
  status: number;
  text(): Promise<string>;
}

/** What the gateway would not do: what is wrong, facts, and what to do next. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly headline: string,
    readonly facts: Record<string, unknown> = {},
    readonly hint = ""
  ) {
    super(headline);
  }

  /** All of it as lines of text. */
  get lines(): string[] {
    const facts = Object.entries(this.facts).map(([name, value]) => `${name}: ${said(value)}`);
    return [this.headline, ...facts, ...(this.hint ? [`→ ${this.hint}`] : [])];
  }
}

/** A value as people read it. */
export function said(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

export class Client {
  private readonly _datasetsChanged = new Signal<this, void>(this);

  constructor(private readonly fetch: Fetch) {}

  /** Emitted once a dataset was added or removed from here. */
  get datasetsChanged(): ISignal<this, void> {
    return this._datasetsChanged;
  }

  status(): Promise<Status> {
    return this.ask("status");
  }

  job(id: string): Promise<JobDetail> {
    return this.ask(`jobs/${part(id)}`);
  }

  run(body: Record<string, unknown>): Promise<{ id: string }> {
    return this.ask("jobs", "POST", body);
  }

  cancel(id: string): Promise<unknown> {
    return this.ask(`jobs/${part(id)}/cancel`, "POST");
  }

  restart(id: string): Promise<unknown> {
    return this.ask(`jobs/${part(id)}/restart`, "POST");
  }

  delete(id: string): Promise<unknown> {
    return this.ask(`jobs/${part(id)}`, "DELETE");
  }

  events(id: string, after: number): Promise<{ events: JobEvent[] }> {
    return this.ask(`jobs/${part(id)}/events${query({ after })}`);
  }

  log(id: string, wanted: { after?: number; limit?: number; tail?: number }): Promise<{ lines: LogLine[]; more: boolean }> {
    return this.ask(`jobs/${part(id)}/log${query(wanted)}`);
  }

  /** The plan as text; null before there is one. */
  plan(id: string): Promise<{ plan: string | null }> {
    return this.ask(`jobs/${part(id)}/plan`);
  }

  outputs(id: string): Promise<Outputs> {
    return this.ask(`jobs/${part(id)}/outputs`);
  }

  inputs(id: string): Promise<{ inputs: Input[] }> {
    return this.ask(`jobs/${part(id)}/inputs`);
  }

  resources(id: string): Promise<{ series: Use[] }> {
    return this.ask(`jobs/${part(id)}/resources`);
  }

  /** One series; all of its time where *span* is null. */
  series(id: string, variable: string, place: string, points: number, span: [number, number] | null): Promise<Series> {
    const [start_s, end_s] = span ?? [undefined, undefined];
    return this.ask(`jobs/${part(id)}/series${query({ variable, id: place, points, start_s, end_s })}`);
  }

  /** Gages of the job's domain, the first ones. */
  gages(id: string): Promise<{ gages: Gage[]; total: number }> {
    return this.ask(`jobs/${part(id)}/gages`);
  }

  /** Compare a job with observations. */
  async evaluate(id: string, body: Record<string, unknown>): Promise<Evaluation> {
    const found: Evaluation = await this.ask(`jobs/${part(id)}/evaluate`, "POST", body);
    if (found.kept) {
      this._datasetsChanged.emit();
    }
    return found;
  }

  /** An evaluation that was kept. */
  evaluation(name: string): Promise<Evaluation> {
    return this.ask(`datasets/${part(name)}/evaluation`);
  }

  /** Datasets, newest first; of any category or format where that is empty. */
  datasets(wanted: {
    category?: string;
    format?: string;
    text?: string;
    limit: number;
  }): Promise<{ datasets: Dataset[]; total: number }> {
    return this.ask(`datasets${query(wanted)}`);
  }

  async deleteDataset(name: string): Promise<void> {
    await this.ask(`datasets/${part(name)}`, "DELETE");
    this._datasetsChanged.emit();
  }

  private async ask(path: string, method = "GET", body?: unknown): Promise<any> {
    let answer: Answer;
    try {
      answer = await this.fetch(path, method, body);
    } catch (problem) {
      throw new Refusal(0, "the server does not answer", {}, "it is tried again by itself once the server is back");
    }
    const text = await answer.text();
    if (answer.status >= 400) {
      throw refusalOf(answer.status, text);
    }
    return text ? parsed(text) : {};
  }
}

function refusalOf(status: number, text: string): Refusal {
  const told = parsed(text);
  if (told && typeof told.error === "string") {
    return new Refusal(status, told.error, told.facts ?? {}, told.hint ?? "");
  }
  if (status === 401 || status === 403) {
    return new Refusal(status, "the server does not know you any more", {}, "reload the page and sign in again");
  }
  return new Refusal(status, told?.message || `the server answered ${status}`);
}

function parsed(text: string): any {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function part(text: string): string {
  return encodeURIComponent(text);
}

function query(wanted: Record<string, string | number | undefined>): string {
  const given = Object.entries(wanted).filter(([, value]) => value !== undefined && value !== "");
  return given.length ? `?${given.map(([key, value]) => `${key}=${part(String(value))}`).join("&")}` : "";
}
