/** The jobs there are, as the stream tells of them: kept in order, filtered, counted. */

import { ISignal, Signal } from "@lumino/signaling";

import { JobSummary, Message } from "./wire";
import { isFinal } from "./words";

/** Which jobs are wanted. */
export type Choice = "all" | "under way" | "complete" | "failed" | "cancelled";

export const CHOICES: Choice[] = ["all", "under way", "complete", "failed", "cancelled"];

/** What is looked for. */
export interface Filter {
  choice: Choice;
  text: string;
}

export class Jobs {
  private readonly _jobs = new Map<string, JobSummary>();
  private readonly _changed = new Signal<this, void>(this);
  private _sorted: JobSummary[] | null = null;
  /** Number of the last event that is known; what comes later is asked for after an interruption. */
  cursor: number | null = null;
  /** Whether anything has been heard yet. */
  known = false;
  /** How many there were at the last snapshot; of very many not all are sent. */
  total = 0;

  /** Emitted after every change. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Take in what the stream says. */
  apply(message: Message): void {
    switch (message.kind) {
      case "snapshot":
        this._jobs.clear();
        this.put(message.jobs);
        this.known = true;
        this.total = message.total ?? message.jobs.length;
        break;
      case "jobs":
        this.put(message.jobs);
        if (message.ids) {
          this.keep(new Set(message.ids));
        }
        break;
      case "removed":
        message.ids.forEach(id => this._jobs.delete(id));
        break;
      default:
        return;
    }
    this.cursor = message.cursor;
    this.tell();
  }

  get(id: string): JobSummary | undefined {
    return this._jobs.get(id);
  }

  get size(): number {
    return this._jobs.size;
  }

  /** All jobs, newest first. */
  get all(): readonly JobSummary[] {
    this._sorted ??= [...this._jobs.values()].sort(
      (a, b) => (b.submitted_s ?? 0) - (a.submitted_s ?? 0) || (a.id < b.id ? 1 : -1)
    );
    return this._sorted;
  }

  /** The jobs that a filter lets through, newest first. */
  matching(filter: Filter): JobSummary[] {
    const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
    return this.all.filter(job => chosen(job, filter.choice) && says(job, words));
  }

  /** How many jobs there are of each choice. */
  counts(): Record<Choice, number> {
    const found = Object.fromEntries(CHOICES.map(choice => [choice, 0])) as Record<Choice, number>;
    for (const job of this._jobs.values()) {
      CHOICES.filter(choice => chosen(job, choice)).forEach(choice => (found[choice] += 1));
    }
    return found;
  }

  private put(jobs: readonly JobSummary[]): void {
    jobs.forEach(job => this._jobs.set(job.id, job));
  }

  private keep(ids: Set<string>): void {
    [...this._jobs.keys()].filter(id => !ids.has(id)).forEach(id => this._jobs.delete(id));
  }

  private tell(): void {
    this._sorted = null;
    this._changed.emit();
  }
}

function chosen(job: JobSummary, choice: Choice): boolean {
  return choice === "all" || (choice === "under way" ? !isFinal(job.state) : job.state === choice);
}

function says(job: JobSummary, words: string[]): boolean {
  if (!words.length) {
    return true;
  }
  const text = [job.name, job.id, job.state, job.on, job.array, job.message, ...(job.hosts ?? [])].join(" ").toLowerCase();
  return words.every(word => text.includes(word));
}
