/** What the gateway says, as JSON. Any value may be missing: what is missing is not shown. */

/** A job in a list. Times are seconds since 1970, UTC. */
export interface JobSummary {
  id: string;
  name: string;
  state: string;
  owner?: string;
  goal?: string;
  message?: string;
  fraction?: number | null;
  done?: number | null;
  total?: number | null;
  rate?: number | null;
  elapsed_s?: number | null;
  remaining_s?: number | null;
  submitted_s?: number | null;
  updated_s?: number | null;
  on?: string | null;
  ranks?: number | null;
  workers?: number | null;
  hosts?: string[] | null;
  output?: string | null;
  is_final?: boolean;
  array?: string | null;
  priority?: number | null;
}

/** One thing that happened to a job. */
export interface JobEvent {
  number: number;
  at_s: number;
  state: string;
  message: string;
  verb?: string | null;
  facts?: Record<string, unknown>;
}

/** One stretch of the line. */
export interface Verb {
  verb: string;
  before: string;
  after: string;
}

/** A job and what is known of it. */
export interface JobDetail extends JobSummary {
  request?: Record<string, unknown>;
  facts?: Record<string, unknown>;
  verbs?: Verb[];
  events?: JobEvent[];
  directory?: string | null;
}

/** A line of a log: its number, when it was said, what was said. */
export type LogLine = [number, number, string];

/** What the stream sends. `ids`, where given, are those of all jobs there are. */
export type Message =
  | { kind: "snapshot"; jobs: JobSummary[]; cursor: number; total?: number }
  | { kind: "jobs"; jobs: JobSummary[]; cursor: number; ids?: string[] }
  | { kind: "removed"; ids: string[]; cursor: number }
  | { kind: "log"; id: string; lines: LogLine[]; more?: boolean; error?: string }
  | { kind: "trouble"; error: string; hint?: string }
  | { kind: "recovered"; cursor: number }
  | { kind: "heartbeat"; cursor: number };

/** The answer to `status`. */
export interface Status {
  version?: string;
  owner?: string;
  conducting?: boolean;
  cores?: number;
  jobs?: number;
  root?: string;
}

/** Values of one variable at one place, thinned to the least and the greatest of each stretch. */
export interface Series {
  variable: string;
  id: string;
  values: number;
  time: number[];
  low: (number | null)[];
  high: (number | null)[];
  units: string;
}

/** A variable of outputs. */
export interface Variable {
  name: string;
  units: string;
  long_name: string;
  dims: string[];
}

/** What outputs hold; of each dimension's ids the first ones. */
export interface Outputs {
  path: string;
  variables: Variable[];
  sizes: Record<string, number>;
  ids: Record<string, string[]>;
  start_s: number | null;
  end_s: number | null;
}

/** One thing that a run was made of. */
export interface Input {
  kind: string;
  name: string;
  digest: string | null;
  dataset: string | null;
  rule: string | null;
  parents: string[];
}

/** What a job held from a moment on. */
export interface Use {
  at_s: number;
  cores: number | null;
  memory_bytes: number | null;
  cpu: number | null;
}

/** A gage of a job's domain, and the nexus it stands at. */
export interface Gage {
  gage: string;
  place: string;
}

/** A metric of an evaluation; `ideal` is null where there is none. */
export interface Metric {
  name: string;
  label: string;
  units: string;
  ideal: number | null;
  about: string;
}

/** Scores at one place, in the order of the metrics; `goodness` in [0, 1], 1 at the ideal. */
export interface ScoreRow {
  place: string;
  gage: string;
  part: string;
  values: (number | null)[];
  goodness: (number | null)[];
}

/** Why a score is null. */
export interface Missing {
  metric: string;
  reason: string;
  where: string;
}

/** An evaluation: of its rows and of what is missing the first ones. `page` is a whole page of HTML that draws it. */
export interface Evaluation {
  title: string;
  kept: string | null;
  metrics: Metric[];
  rows: ScoreRow[];
  total: number;
  missing: Missing[];
  notes: string[];
  page: string | null;
}

/** A dataset in a list. */
export interface Dataset {
  id: string;
  name: string;
  category: string;
  format: string;
  about: string;
  owner: string;
  description: string;
  size: number;
  files: number;
  digest: string;
  where: string;
  created_s: number;
  expires_s: number | null;
  holds: string;
  rule: string | null;
  parents: string[];
}
