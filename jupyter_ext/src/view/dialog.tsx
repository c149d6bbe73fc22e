/** The dialog that asks what to run and how. It stays until the gateway takes what was asked for. */

import { Dialog, ReactWidget } from "@jupyterlab/apputils";
import * as React from "react";

import { Client, Refusal } from "../model/client";
import { asked, Form, FORM } from "../model/form";
import { Trouble } from "./pieces";

/** Ask for a run of a directory, and submit it; the id of the job, or null where nothing was wanted. */
export async function runDialog(client: Client, directory: string): Promise<string | null> {
  let form: Form = { ...FORM, directory };
  let problem: unknown = null;
  for (;;) {
    const body = new FormBody(form, problem);
    const dialog = new Dialog<Form>({
      title: "Run with dmod",
      body,
      buttons: [Dialog.cancelButton(), Dialog.okButton({ label: "Run" })],
      focusNodeSelector: directory ? ".jp-Dialog-button.jp-mod-accept" : ".dmod-Form input"
    });
    dialog.addClass("dmod-Dialog");
    const result = await dialog.launch();
    if (!result.button.accept || result.value === null) {
      return null;
    }
    form = result.value;
    try {
      return (await client.run(asked(form))).id;
    } catch (refused) {
      problem = refused instanceof Refusal ? refused : new Refusal(0, String(refused));
    }
  }
}

class FormBody extends ReactWidget implements Dialog.IBodyWidget<Form> {
  private form: Form;

  constructor(
    form: Form,
    private readonly problem: unknown
  ) {
    super();
    this.form = form;
  }

  getValue(): Form {
    return this.form;
  }

  protected render(): JSX.Element {
    return <Fields form={this.form} problem={this.problem} tell={form => (this.form = form)} />;
  }
}

function Fields(props: { form: Form; problem: unknown; tell: (form: Form) => void }): JSX.Element {
  const [form, setForm] = React.useState(props.form);
  const change = (part: Partial<Form>) => {
    const next = { ...form, ...part };
    setForm(next);
    props.tell(next);
  };
  const text = (name: keyof Form, label: string, hint: string, type = "text") => (
    <label className="dmod-Field">
      <span>{label}</span>
      <input
        className="jp-mod-styled"
        type={type}
        name={name}
        min={type === "number" ? 1 : undefined}
        placeholder={hint}
        spellCheck={false}
        value={String(form[name])}
        onChange={event => change({ [name]: event.target.value })}
      />
    </label>
  );
  return (
    <div className="dmod-Form">
      <Trouble problem={props.problem} />
      {text("directory", "Run directory", "a folder that holds config and forcings")}
      <div className="dmod-Fields">
        <label className="dmod-Field">
          <span>On</span>
          <select className="dmod-Select" name="on" value={form.on} onChange={event => change({ on: event.target.value })}>
            <option value="dask">dask workers</option>
            <option value="docker">docker: MPI ranks</option>
            <option value="apptainer">apptainer: MPI ranks</option>
            <option value="host">host: MPI ranks</option>
          </select>
        </label>
        {text("hands", form.on === "dask" ? "Workers" : "Ranks", "as many as make sense", "number")}
      </div>
      <label className="dmod-Check">
        <input
          type="checkbox"
          name="overwrite"
          checked={form.overwrite}
          onChange={event => change({ overwrite: event.target.checked })}
        />
        Replace earlier outputs
      </label>
      <details>
        <summary>More options</summary>
        <div className="dmod-Fields">
          {text("start", "Start (UTC)", "the realization's own")}
          {text("end", "End (UTC)", "the realization's own")}
          {text("catchments", "Catchments", "all; or cat-1, cat-2")}
          {text("memory", "Memory", "no limit; or 8 GiB")}
          {text("output", "Outputs go to", "outputs/dmod in the directory")}
          <label className="dmod-Field">
            <span>Output format</span>
            <select
              className="dmod-Select"
              name="format"
              value={form.format}
              onChange={event => change({ format: event.target.value })}
            >
              <option value="netcdf">netcdf</option>
              <option value="zarr">zarr</option>
              <option value="ngen">ngen: CSV files</option>
            </select>
          </label>
          {text("priority", "Priority (0 to 100)", "50", "number")}
          {form.on !== "dask" && text("image", "Image", "our own")}
        </div>
      </details>
    </div>
  );
}
