/** dmod in JupyterLab: the panel, the tabs of jobs, commands, a card in the launcher, icons of files. */

import {
  ILabShell,
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from "@jupyterlab/application";
import { ICommandPalette, IThemeManager, MainAreaWidget, WidgetTracker } from "@jupyterlab/apputils";
import { IFileBrowserFactory } from "@jupyterlab/filebrowser";
import { ILauncher } from "@jupyterlab/launcher";
import { ISettingRegistry } from "@jupyterlab/settingregistry";
import { SplitPanel, TabPanel, Widget } from "@lumino/widgets";
import * as React from "react";

import { Attention } from "./attention";
import { addCommands, CATEGORY, tellEnd } from "./commands";
import { fetchFrom, surroundingsOf } from "./gateway";
import { riverIcon } from "./icons";
import { Client } from "./model/client";
import { Jobs } from "./model/jobs";
import { Stream } from "./model/stream";
import { isFinal } from "./model/words";
import { read } from "./setting";
import { EvaluationWidget, evaluationTab } from "./view/evaluation";
import { JobWidget, tabOf } from "./view/job";
import { Panel } from "./view/panel";
import { Place, PlaceWidget } from "./view/place";

const PLUGIN = "dmod-jupyterlab:plugin";
const PANEL = "dmod-panel";
const IN_PALETTE = [
  "dmod:show",
  "dmod:run",
  "dmod:cancel",
  "dmod:restart",
  "dmod:delete",
  "dmod:evaluate",
  "dmod:open-evaluation"
];

const plugin: JupyterFrontEndPlugin<void> = {
  id: PLUGIN,
  description: "Runs of dmod: a panel that lists them, and a tab for each.",
  autoStart: true,
  optional: [
    ICommandPalette,
    ILauncher,
    ILayoutRestorer,
    ILabShell,
    ISettingRegistry,
    IFileBrowserFactory,
    IThemeManager
  ],
  activate
};

export default plugin;

function activate(
  app: JupyterFrontEnd,
  palette: ICommandPalette | null,
  launcher: ILauncher | null,
  restorer: ILayoutRestorer | null,
  labShell: ILabShell | null,
  registry: ISettingRegistry | null,
  browsers: IFileBrowserFactory | null,
  themes: IThemeManager | null
): void {
  let settings: ISettingRegistry.ISettings | null = null;
  const server = app.serviceManager.serverSettings;
  const client = new Client(fetchFrom(server));
  const jobs = new Jobs();
  const stream = new Stream(surroundingsOf(server), () => jobs.cursor);
  stream.received.connect((_, message) => jobs.apply(message));
  const attention = new Attention(looks => (looks ? stream.start() : stream.stop()));
  let root = "";
  const place: Place = {
    client,
    jobs,
    stream,
    attention,
    commands: app.commands,
    setting: () => read(settings),
    repainted: themes?.themeChanged ?? null,
    browsable: path => (root && path.startsWith(`${root}/`) ? path.slice(root.length + 1) : null)
  };
  stream.phaseChanged.connect(() => {
    if (stream.phase === "live" && !root) {
      client.status().then(
        status => (root = (status.root ?? "").replace(/\/+$/, "")),
        () => undefined // the panel says so already
      );
    }
  });

  const panel = new PlaceWidget(place, () => React.createElement(Panel, { place }));
  panel.id = PANEL;
  panel.title.icon = riverIcon;
  panel.title.caption = "dmod: jobs, datasets, evaluations";
  panel.addClass("dmod-PanelWidget");
  panel.node.setAttribute("role", "region");
  panel.node.setAttribute("aria-label", "dmod");
  app.shell.add(panel, "left", { rank: 350, type: "dmod" });
  restorer?.add(panel, PANEL);

  const tracker = new WidgetTracker<MainAreaWidget<JobWidget>>({ namespace: "dmod-job" });
  const open = (job: string, page?: string) => {
    let tab = tracker.find(one => one.content.job === job);
    if (!tab) {
      tab = tabOf(place, job);
      void tracker.add(tab);
    }
    if (page !== undefined) {
      tab.content.turnTo(page);
    }
    bring(app, tab);
  };
  const evaluations = new WidgetTracker<MainAreaWidget<EvaluationWidget>>({ namespace: "dmod-evaluation" });
  const openEvaluation = (name: string) => {
    let tab = evaluations.find(one => one.content.evaluation === name);
    if (!tab) {
      tab = evaluationTab(place, name);
      void evaluations.add(tab);
    }
    bring(app, tab);
  };
  addCommands({
    commands: app.commands,
    client,
    jobs,
    meant: () => menuJob(app) ?? frontJob(app, tracker),
    browser: () => browsers?.tracker.currentWidget ?? null,
    showPanel: () => app.shell.activateById(PANEL),
    open,
    openEvaluation,
    started: job => {
      if (place.setting().openJob) {
        open(job);
      }
      if (place.setting().tellEnd) {
        awaitEnd(jobs, job, () => open(job));
      }
    }
  });
  for (const command of IN_PALETTE) {
    palette?.addItem({ command, category: CATEGORY });
  }
  launcher?.add({ command: "dmod:launch", category: "Other", rank: 10 });
  void restorer?.restore(tracker, {
    command: "dmod:open",
    args: tab => ({ id: tab.content.job }),
    name: tab => tab.content.job
  });
  void restorer?.restore(evaluations, {
    command: "dmod:open-evaluation",
    args: tab => ({ name: tab.content.evaluation }),
    name: tab => tab.content.evaluation
  });
  app.docRegistry.addFileType({
    name: "dmod-realization",
    displayName: "Realization",
    pattern: "^(.*[._-])?realization([._-].*)?\\.json$",
    extensions: [],
    mimeTypes: ["application/json"],
    fileFormat: "text",
    contentType: "file",
    icon: riverIcon
  });

  void registry?.load(PLUGIN).then(
    async loaded => {
      settings = loaded;
      const heed = () => (stream.most_ms = place.setting().longestWait_s * 1000);
      heed();
      loaded.changed.connect(heed);
      await app.restored;
      if (place.setting().openAtStart && labShell?.isSideTabBarVisible("left") !== false) {
        app.shell.activateById(PANEL);
      }
    },
    problem => console.warn("dmod: the settings cannot be read", problem)
  );
}

/**
 * Bring a tab of the main area to the front. A page of Notebook 7 has but one widget there: of its files that is tabs,
 * and ours goes beside them; where it is a notebook, ours goes below it.
 */
function bring(app: JupyterFrontEnd, tab: Widget): void {
  const { shell } = app;
  const tabs = [...shell.widgets("main")].find((one): one is TabPanel => one instanceof TabPanel);
  if (tabs) {
    if (tab.parent === null) {
      tabs.addWidget(tab);
    }
    tabs.currentWidget = tab;
    return;
  }
  if (tab.parent === null) {
    shell.add(tab, "main", { type: "dmod" });
  }
  const below = tab.parent === null;
  if (below) {
    shell.add(tab, "down", { type: "dmod" });
  }
  shell.activateById(tab.id);
  if (below) {
    halve(tab);
  }
}

/** Give what lies below as much room as what lies above it. */
function halve(tab: Widget): void {
  for (let one = tab.parent; one !== null; one = one.parent) {
    if (one instanceof SplitPanel && one.orientation === "vertical") {
      one.setRelativeSizes([1, 1]);
      return;
    }
  }
}

/** The job whose row a menu was opened on. */
function menuJob(app: JupyterFrontEnd): string | null {
  const row = app.contextMenuHitTest(node => node.classList.contains("dmod-Row"));
  return row?.dataset.job ?? null;
}

/** The job whose tab is in front. */
function frontJob(app: JupyterFrontEnd, tracker: WidgetTracker<MainAreaWidget<JobWidget>>): string | null {
  const { currentWidget } = tracker;
  const front = app.shell.currentWidget;
  const shown = front instanceof TabPanel ? front.currentWidget : front;
  return currentWidget && currentWidget === shown ? currentWidget.content.job : null;
}

/** Say once that a job has ended. */
function awaitEnd(jobs: Jobs, id: string, open: () => void): void {
  const look = () => {
    const job = jobs.get(id);
    if (job && isFinal(job.state)) {
      jobs.changed.disconnect(look);
      if (job.state !== "cancelled") {
        tellEnd(job, open);
      }
    }
  };
  jobs.changed.connect(look);
}
