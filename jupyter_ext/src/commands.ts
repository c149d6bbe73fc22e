/** What can be done, as commands: for the palette, menus, the panel and keys. */

import { showDialog, Dialog, InputDialog, Notification, showErrorMessage } from "@jupyterlab/apputils";
import { Clipboard } from "@jupyterlab/apputils";
import { FileBrowser } from "@jupyterlab/filebrowser";
import { deleteIcon, refreshIcon, stopIcon } from "@jupyterlab/ui-components";
import { CommandRegistry } from "@lumino/commands";

import { riverIcon } from "./icons";
import { Client, Refusal } from "./model/client";
import { Jobs } from "./model/jobs";
import { JobSummary } from "./model/wire";
import { isFinal } from "./model/words";
import { runDialog } from "./view/dialog";

export const CATEGORY = "dmod";
const MOST_TO_CHOOSE_FROM = 500;

/** What commands act on and through. */
export interface Hands {
  commands: CommandRegistry;
  client: Client;
  jobs: Jobs;
  /** The job that is meant where none is named: the one a menu was opened on, or whose tab is in front. */
  meant: () => string | null;
  browser: () => FileBrowser | null;
  showPanel: () => void;
  open: (job: string, page?: string) => void;
  openEvaluation: (name: string) => void;
  started: (job: string) => void;
}

export function addCommands(hands: Hands): void {
  const { commands } = hands;
  commands.addCommand("dmod:show", {
    label: "Show Jobs",
    caption: "Show the jobs of dmod in the side bar",
    execute: () => hands.showPanel()
  });
  commands.addCommand("dmod:launch", {
    label: "dmod Jobs",
    caption: "Watch runs of dmod, and start some",
    icon: riverIcon,
    execute: () => hands.showPanel()
  });
  addRunning(hands);
  addActing(hands);
  addEvaluating(hands);
}

function addRunning(hands: Hands): void {
  const { commands, client } = hands;
  const run = async (directory: string) => {
    const job = await runDialog(client, directory);
    if (job !== null) {
      hands.showPanel();
      hands.started(job);
    }
    return job;
  };
  commands.addCommand("dmod:run", {
    label: "Run a Directory …",
    caption: "Run an ngen or NextGen In A Box run directory",
    icon: riverIcon,
    execute: args => run(typeof args.directory === "string" ? args.directory : selected(hands.browser()) ?? "")
  });
  commands.addCommand("dmod:run-directory", {
    label: "Run with dmod",
    caption: "Run this run directory",
    icon: riverIcon,
    isVisible: () => selected(hands.browser()) !== null,
    execute: () => run(selected(hands.browser()) ?? "")
  });
}

/** How a command finds the job that is meant, and whether something may hold of it. */
function finding(hands: Hands) {
  const job = (args: { id?: unknown }): JobSummary | null => {
    const id = typeof args.id === "string" ? args.id : hands.meant();
    return id === null ? null : hands.jobs.get(id) ?? { id, name: id, state: "" };
  };
  const known = (args: { id?: unknown }, holds: (one: JobSummary) => boolean) => {
    const one = job(args);
    return one !== null && (one.state === "" || holds(one));
  };
  return { job, known };
}

function addActing(hands: Hands): void {
  const { commands, client } = hands;
  const { job, known } = finding(hands);
  const ended = (one: JobSummary) => isFinal(one.state);
  commands.addCommand("dmod:open", {
    label: "Open Job",
    icon: riverIcon,
    isEnabled: args => job(args) !== null,
    execute: args => hands.open(job(args)!.id)
  });
  commands.addCommand("dmod:cancel", {
    label: "Cancel Job",
    icon: stopIcon,
    isEnabled: args => known(args, one => !ended(one) && one.goal !== "cancelled"),
    execute: args => told(`${job(args)!.name} cannot be cancelled`, () => client.cancel(job(args)!.id))
  });
  commands.addCommand("dmod:restart", {
    label: "Restart Job",
    icon: refreshIcon,
    isEnabled: args => known(args, one => one.state === "failed" || one.state === "cancelled"),
    execute: args => told(`${job(args)!.name} cannot be restarted`, () => client.restart(job(args)!.id))
  });
  commands.addCommand("dmod:delete", {
    label: "Delete Job …",
    icon: deleteIcon,
    isEnabled: args => known(args, ended),
    execute: async args => {
      const one = job(args)!;
      if (await sure(`Delete ${one.name}?`, `The job ${one.id} is forgotten, with its log. Its outputs stay.`)) {
        await told(`${one.name} cannot be deleted`, () => client.delete(one.id));
      }
    }
  });
  commands.addCommand("dmod:copy-id", {
    label: "Copy Id of Job",
    isEnabled: args => job(args) !== null,
    execute: args => Clipboard.copyToSystem(job(args)!.id)
  });
  commands.addCommand("dmod:delete-dataset", {
    label: "Remove Dataset …",
    isVisible: args => typeof args.name === "string",
    execute: async args => {
      const name = String(args.name);
      if (!(await sure(`Remove ${name}?`, "It is taken out of the catalog. Files that lie outside the store stay."))) {
        return false;
      }
      await client.deleteDataset(name);
      return true;
    }
  });
}

function addEvaluating(hands: Hands): void {
  const { commands, client } = hands;
  const { job, known } = finding(hands);
  commands.addCommand("dmod:evaluate", {
    label: "Evaluate …",
    caption: "Compare a job that is complete with observations",
    isEnabled: args => known(args, one => one.state === "complete"),
    execute: args => hands.open(job(args)!.id, "Evaluation")
  });
  commands.addCommand("dmod:open-evaluation", {
    label: "Open an Evaluation …",
    caption: "Look at an evaluation that was kept",
    icon: riverIcon,
    execute: args =>
      told("Evaluations cannot be opened", async () => {
        const name = typeof args.name === "string" ? args.name : await chosenEvaluation(client);
        if (name !== null) {
          hands.openEvaluation(name);
        }
      })
  });
}

async function sure(title: string, body: string): Promise<boolean> {
  const result = await showDialog({
    title,
    body,
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: title.split(" ", 1)[0] })],
    defaultButton: 0
  });
  return result.button.accept;
}

/** Do something, and say so where it is refused. */
async function told(title: string, act: () => Promise<unknown>): Promise<void> {
  try {
    await act();
  } catch (problem) {
    const words = problem instanceof Refusal ? problem.lines.join("\n") : String(problem);
    await showErrorMessage(title, words);
  }
}

/** Say that a job has ended. */
export function tellEnd(job: JobSummary, open: () => void): void {
  const actions = [{ label: "Open", callback: open }];
  if (job.state === "failed") {
    Notification.error(`${job.name} failed`, { actions, autoClose: false });
  } else {
    Notification.success(`${job.name} is complete`, { actions, autoClose: 8000 });
  }
}

async function chosenEvaluation(client: Client): Promise<string | null> {
  const { datasets } = await client.datasets({ format: "evaluation", limit: MOST_TO_CHOOSE_FROM });
  if (!datasets.length) {
    await showErrorMessage("No evaluations yet", "Name one under Keep as, on the Evaluation page of a job.");
    return null;
  }
  const result = await InputDialog.getItem({
    title: "Open an evaluation",
    label: "Evaluation",
    items: datasets.map(one => one.name),
    okLabel: "Open"
  });
  return result.button.accept ? result.value : null;
}

/** The run directory that is meant in a file browser: a folder, or the one that a realization belongs to. */
function selected(browser: FileBrowser | null): string | null {
  const item = browser?.selectedItems().next();
  if (!browser || !item || item.done) {
    return null;
  }
  const path = browser.model.manager.services.contents.localPath(item.value.path);
  return item.value.type === "directory" ? path : path.replace(/\/?[^/]*$/, "").replace(/(^|\/)config$/, "");
}
