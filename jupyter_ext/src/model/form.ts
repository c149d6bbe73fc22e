/** What the dialog asks, and the request that becomes of it: what is left empty is not said. */

export interface Form {
  directory: string;
  on: string;
  hands: string;
  overwrite: boolean;
  start: string;
  end: string;
  catchments: string;
  memory: string;
  output: string;
  format: string;
  priority: string;
  image: string;
}

export const FORM: Form = {
  directory: "",
  on: "dask",
  hands: "",
  overwrite: false,
  start: "",
  end: "",
  catchments: "",
  memory: "",
  output: "",
  format: "netcdf",
  priority: "",
  image: ""
};

/** The body of `POST jobs`. */
export function asked(form: Form): Record<string, unknown> {
  const dask = form.on === "dask";
  const said: Record<string, unknown> = {
    directory: form.directory.trim() || ".",
    on: form.on,
    overwrite: form.overwrite,
    output_format: form.format,
    start: form.start.trim(),
    end: form.end.trim(),
    catchments: form.catchments.trim(),
    memory: form.memory.trim(),
    output: form.output.trim(),
    [dask ? "workers" : "ranks"]: number(form.hands),
    priority: number(form.priority),
    image: dask ? "" : form.image.trim()
  };
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== "" && value !== null));
}

/** A number, as written; what is no number is sent as it is, for the gateway to say what is wrong. */
function number(text: string): number | string | null {
  const trimmed = text.trim();
  return trimmed === "" ? null : Number.isFinite(Number(trimmed)) ? Number(trimmed) : trimmed;
}
