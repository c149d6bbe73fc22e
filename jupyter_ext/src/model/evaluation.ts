/** A run against observations: what is asked, what was answered last, and scores as people read them. */

import { ISignal, Signal } from "@lumino/signaling";

import { Client } from "./client";
import { Evaluation, Missing, ScoreRow } from "./wire";
import { count, threeDigits } from "./words";

/** What the form asks. */
export interface Question {
  observations: string;
  gage: string;
  nexus: string;
  metrics: string;
  units: string;
  variable: string;
  keep: string;
}

export const QUESTION: Question = { observations: "", gage: "", nexus: "", metrics: "", units: "", variable: "", keep: "" };

/** The body of `POST jobs/{job}/evaluate`: what is left empty is not said. */
export function asked(question: Question): Record<string, unknown> {
  const metrics = question.metrics.split(/[\s,;]+/).filter(Boolean);
  const said = Object.entries({ ...question, metrics: "" }).map(([name, text]) => [name, text.trim()]);
  const body = Object.fromEntries(said.filter(([, text]) => text));
  return metrics.length ? { ...body, metrics } : body;
}

/** What is asked of a job, whether it is being compared, and the last answer: it outlives the view that shows it. */
export class Comparison {
  private readonly _changed = new Signal<this, void>(this);
  question = QUESTION;
  answer: Evaluation | null = null;
  trouble: unknown = null;
  under_way = false;

  constructor(
    private readonly client: Client,
    private readonly id: string
  ) {}

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Ask otherwise. */
  change(part: Partial<Question>): void {
    this.question = { ...this.question, ...part };
    this._changed.emit();
  }

  /** Compare; what was answered before stays until there is another answer. */
  async ask(): Promise<void> {
    if (this.under_way) {
      return;
    }
    this.under_way = true;
    this.trouble = null;
    this._changed.emit();
    try {
      this.answer = await this.client.evaluate(this.id, asked(this.question));
      if (this.answer.kept) {
        this.question = { ...this.question, keep: "" };
      }
    } catch (problem) {
      this.trouble = problem;
    } finally {
      this.under_way = false;
      this._changed.emit();
    }
  }
}

/** A column that rows are ordered by: one of what says where, or the number of a metric. */
export interface Order {
  by: "place" | "gage" | "part" | number;
  down: boolean;
}

/** Rows in another order; where there is no score they come last, either way. */
export function ordered(rows: readonly ScoreRow[], order: Order | null): ScoreRow[] {
  if (order === null) {
    return [...rows];
  }
  const { by, down } = order;
  const sign = down ? -1 : 1;
  if (typeof by === "string") {
    return [...rows].sort((a, b) => sign * a[by].localeCompare(b[by], "en", { numeric: true }));
  }
  const least = (row: ScoreRow) => row.values[by] ?? null;
  return [...rows].sort((a, b) => {
    const [one, other] = [least(a), least(b)];
    return one === null || other === null ? Number(one === null) - Number(other === null) : sign * (one - other);
  });
}

/** The order after a header was chosen: first downwards for numbers and upwards for names, then the other way. */
export function turned(order: Order | null, by: Order["by"]): Order {
  return { by, down: order?.by === by ? !order.down : typeof by === "number" };
}

/** A score as text, without its units. */
export function score(value: number, units: string): string {
  const size = Math.abs(value);
  const text = size >= 1e4 ? count(value) : units === "1" ? plain(value, size) : units === "%" ? value.toFixed(1) : threeDigits(value);
  return (/^-[0.]*$/.test(text) ? text.slice(1) : text).replace("-", "−");
}

function plain(value: number, size: number): string {
  return Number.isInteger(value) && size > 1 ? count(value) : value.toFixed(2);
}

/** Units with raised exponents, as in figures: `m³ s⁻¹`; none for a bare number. */
export function raised(units: string): string {
  const raise = (digits: string) => [...digits].map(one => "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"["0123456789-".indexOf(one)]).join("");
  return units === "1" ? "" : units.replace(/([A-Za-z])\^?(-?\d+)/g, (_, letter, digits) => letter + raise(digits));
}

/** How good a score is, in words. */
export function nearness(goodness: number): string {
  return goodness >= 2 / 3 ? "near the ideal" : goodness >= 1 / 3 ? "halfway" : "far from the ideal";
}

/** Which colour says how good a score is, and how much of it [%]: none of either halfway. */
export function tint(goodness: number): { side: "near" | "far"; share: number } {
  const away = 2 * Math.min(Math.max(goodness, 0), 1) - 1;
  return { side: away < 0 ? "far" : "near", share: Math.round(45 * Math.abs(away)) };
}

/** Why there is no score in a row; empty where that is not told. */
export function reason(missing: readonly Missing[], metric: string, row: ScoreRow): string {
  const where = [[row.place, row.part].filter(Boolean).join(", "), row.place];
  const told = missing.filter(one => one.metric === metric);
  return where.map(words => told.find(one => one.where === words)).find(Boolean)?.reason ?? "";
}

/** A page that is light or dark as its reader's system is, made light or dark as it is here. */
export function painted(page: string, light: boolean): string {
  return page.split("(prefers-color-scheme: dark)").join(light ? "(max-width: 0)" : "(min-width: 0)");
}
