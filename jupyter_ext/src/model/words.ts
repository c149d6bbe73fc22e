/**
 * What is said of a job, in the words of `dmod/view/card.py`: card and panel never disagree.
 * Pure: whoever asks gives the time.
 */

import { JobSummary } from "./wire";

/** How a state looks: ended well, ended badly, ended quietly, or under way. */
export type Tone = "good" | "bad" | "quiet" | "busy";

const TONES: Record<string, Tone> = { complete: "good", failed: "bad", cancelled: "quiet" };
const SIGNS: Record<Tone, string> = { good: "✓", bad: "✕", quiet: "■", busy: "●" };

/** Whether nothing more will happen to a job. */
export function isFinal(state: string): boolean {
  return state in TONES;
}

export function toneOf(state: string): Tone {
  return TONES[state] ?? "busy";
}

/** A sign beside the state, for those who do not see its colour. */
export function signOf(state: string): string {
  return SIGNS[toneOf(state)];
}

/** A finite number, or null. */
export function real(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/** How far a job is [%], in 0..100; null where that is not known. */
export function percentOf(job: JobSummary): number | null {
  const fraction = real(job.fraction) ?? null;
  if (toneOf(job.state) === "good") {
    return 100;
  }
  return fraction === null ? null : Math.round(1000 * Math.min(Math.max(fraction, 0), 1)) / 10;
}

/** A whole number with commas. */
export function count(value: unknown): string {
  const number = real(value);
  return number === null ? "" : Math.round(number).toLocaleString("en-US");
}

/** Seconds in words, such as `2 min 05 s`. */
export function duration(value: unknown, about = ""): string {
  const seconds = real(value);
  if (seconds === null || seconds < 0) {
    return "";
  }
  if (seconds < 10) {
    return `${about}${seconds.toFixed(1)} s`;
  }
  const whole = Math.round(seconds);
  const two = (number: number) => String(number).padStart(2, "0");
  if (whole < 60) {
    return `${about}${whole} s`;
  }
  if (whole < 3600) {
    return `${about}${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  }
  return `${about}${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

/** Three digits of a number, as many as say something. */
export function threeDigits(value: number): string {
  return String(Number(value.toPrecision(3)));
}

/** Catchment-steps per second in words. */
export function speed(value: unknown): string {
  const rate = real(value);
  if (rate === null || rate <= 0) {
    return "";
  }
  const sizes: [number, string][] = [
    [1e9, " billion"],
    [1e6, " million"],
    [1e3, " thousand"],
  ];
  const [size, word] = sizes.find(([least]) => rate >= least) ?? [1, ""];
  return `${threeDigits(rate / size)}${word} catchment-steps/s`;
}

/** Bytes in words. */
export function bytes(value: unknown): string {
  let number = real(value);
  if (number === null || number < 0) {
    return "";
  }
  for (const unit of ["bytes", "kB", "MB", "GB"]) {
    if (number < 1000) {
      return unit === "bytes" ? `${number} bytes` : `${threeDigits(number)} ${unit}`;
    }
    number /= 1000;
  }
  return `${threeDigits(number)} TB`;
}

/** How long ago something was, in words. */
export function ago(at_s: unknown, now_s: number): string {
  const then = real(at_s);
  if (then === null) {
    return "";
  }
  const seconds = now_s - then;
  if (seconds < 60) {
    return "just now";
  }
  if (seconds < 3600) {
    return `${Math.floor(seconds / 60)} min ago`;
  }
  if (seconds < 86400) {
    return `${Math.floor(seconds / 3600)} h ago`;
  }
  return instant(then).slice(0, 10);
}

/** An instant as `2016-09-01 12:30:05`, UTC. */
export function instant(at_s: unknown): string {
  const then = real(at_s);
  const date = then === null ? null : new Date(then * 1000);
  return date === null || Number.isNaN(date.getTime()) ? "" : date.toISOString().slice(0, 19).replace("T", " ");
}

/** A text that is not longer than *most*; what is left out is said. */
export function bounded(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most)} … ${count(text.length - most)} more characters`;
}

/** Hosts in a few words. */
export function hostsOf(job: JobSummary): string {
  const hosts = job.hosts ?? [];
  return hosts.length > 2 ? `${hosts.length} hosts` : hosts.join(", ");
}

/** Who works on a job: `4 workers`, `8 ranks`. */
export function handsOf(job: JobSummary): string {
  const [number, word] = real(job.ranks) !== null ? [job.ranks, "rank"] : [job.workers, "worker"];
  return real(number) === null ? "" : `${count(number)} ${word}${number === 1 ? "" : "s"}`;
}

/** The line under a job's bar: what matters most comes first, since a narrow panel cuts the end. */
export function briefly(job: JobSummary, now_s: number): string {
  const said = isFinal(job.state)
    ? [took(job), ago(job.updated_s, now_s), hostsOf(job)]
    : [left(job), speed(job.rate), handsOf(job), hostsOf(job)];
  return said.filter(Boolean).join(" · ");
}

function took(job: JobSummary): string {
  return (real(job.elapsed_s) ?? 0) >= 0.05 ? `took ${duration(job.elapsed_s)}` : "";
}

function left(job: JobSummary): string {
  const words = duration(job.remaining_s, "about ");
  return words && `${words} left`;
}

/** A job in one sentence, for those who hear it. */
export function aloud(job: JobSummary, now_s: number): string {
  const percent = percentOf(job);
  const parts = [job.name, job.state, isFinal(job.state) || percent === null ? "" : `${Math.round(percent)} %`];
  return [...parts, briefly(job, now_s), job.state === "failed" ? firstLine(job.message) : ""].filter(Boolean).join(", ");
}

export function firstLine(text: string | null | undefined): string {
  return bounded((text ?? "").split("\n", 1)[0], 300);
}
