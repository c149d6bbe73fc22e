// Jobs as a table. Python sends all rows once (`rows`, see dmod/view/job_table.py) and then those
// that changed (`changes`); selection and filter go both ways, and buttons ask Python to act.
// All text goes through textContent.

const MOST = 2000; // rows that are laid out at once
const COLUMNS = [
  ["job", (row) => row.name.toLowerCase() + row.id],
  ["state", (row) => row.state],
  ["done", (row) => row.percent ?? -1],
  ["rate", (row) => row.rate ?? -1],
  ["left", (row) => seconds(row.left)],
  ["what", (row) => row.message],
];

/** Seconds in a text such as "1 h 02 min"; none is more than any. */
export function seconds(text) {
  const sizes = { h: 3600, min: 60, s: 1 };
  const found = [...text.matchAll(/([\d.]+) (h|min|s)/g)];
  return found.length ? found.reduce((sum, [, number, unit]) => sum + Number(number) * sizes[unit], 0) : Infinity;
}

/** A rate in few letters: 632 k/s. */
export function speed(rate) {
  if (!(rate > 0)) return "";
  const [size, letter] = [[1e9, " G"], [1e6, " M"], [1e3, " k"], [1, " "]].find(([least]) => rate >= least) ?? [1, " "];
  return `${Number((rate / size).toPrecision(3))}${letter}/s`;
}

/** Whether a row has every word of a filter in it. */
export function matches(row, filter) {
  const text = `${row.name} ${row.id} ${row.state} ${row.message}`.toLowerCase();
  return filter.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** How many rows there are of each state, in order of their first. */
export function counts(rows) {
  const found = new Map();
  for (const row of rows) found.set(row.state, (found.get(row.state) ?? 0) + 1);
  return found;
}

function element(tag, className, parent, { text, ...attributes } = {}) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function build(el) {
  const root = element("div", "dmod-jobs", el, { role: "group", "aria-label": "jobs" });
  const bar = element("div", "dmod-jobs-tools", root);
  const filter = element("input", "dmod-jobs-filter", bar, { type: "search", placeholder: "filter", "aria-label": "filter jobs" });
  const states = element("div", "dmod-jobs-states", bar, { role: "group", "aria-label": "states" });
  const acts = element("div", "dmod-jobs-acts", bar, { role: "group", "aria-label": "selected jobs" });
  const cancel = element("button", "dmod-jobs-button", acts, { type: "button", text: "cancel" });
  const restart = element("button", "dmod-jobs-button", acts, { type: "button", text: "restart" });
  const problem = element("div", "dmod-jobs-problem", root, { role: "alert" });
  const frame = element("div", "dmod-jobs-frame", root);
  const table = element("table", "dmod-jobs-table", frame);
  const head = element("tr", "", element("thead", "", table));
  const all = element("input", "", element("th", "", head, { scope: "col" }), { type: "checkbox", "aria-label": "select all jobs that are shown" });
  const heads = COLUMNS.map(([name]) => {
    const cell = element("th", `dmod-jobs-${name}`, head, { scope: "col" });
    element("button", "dmod-jobs-head", cell, {
      type: "button", text: name, title: name === "rate" ? "sort by catchments × steps in a second" : `sort by ${name}`,
    });
    return cell;
  });
  element("th", "", head, { scope: "col" }).append(hidden("action"));
  const body = element("tbody", "", table);
  const status = element("div", "dmod-jobs-status", root, { role: "status" });
  return { root, filter, states, cancel, restart, problem, frame, all, heads, body, status };
}

function hidden(text) {
  const node = document.createElement("span");
  node.className = "dmod-jobs-hidden";
  node.textContent = text;
  return node;
}

/** A row of the table, empty. */
function layRow(id) {
  const row = document.createElement("tr");
  row.dataset.id = id;
  const check = element("input", "", element("td", "", row), { type: "checkbox", tabindex: "-1" });
  const job = element("th", "dmod-jobs-job", row, { scope: "row" });
  const name = element("span", "dmod-jobs-name", job);
  const known = element("span", "dmod-jobs-id", job);
  const state = element("td", "dmod-jobs-state", row);
  const sign = element("span", "", state, { "aria-hidden": "true" });
  const word = element("span", "", state);
  const done = element("td", "dmod-jobs-done", row);
  const bar = element("div", "dmod-jobs-bar", done, { role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100" });
  const fill = element("div", "dmod-jobs-fill", bar);
  const percent = element("span", "dmod-jobs-percent", done);
  const rate = element("td", "dmod-jobs-rate", row);
  const left = element("td", "dmod-jobs-left", row);
  const what = element("td", "dmod-jobs-what", row);
  const act = element("button", "dmod-jobs-act", element("td", "", row), { type: "button", tabindex: "-1" });
  return { row, check, name, known, sign, word, bar, fill, percent, rate, left, what, act };
}

function fillRow(parts, row) {
  const known = typeof row.percent === "number";
  parts.row.dataset.tone = row.tone;
  parts.check.setAttribute("aria-label", `select ${row.id}`);
  setText(parts.name, row.name);
  setText(parts.known, row.id === row.name ? "" : row.id.startsWith(`${row.name}-`) ? row.id.slice(row.name.length) : ` ${row.id}`);
  setText(parts.sign, `${row.sign} `);
  setText(parts.word, row.state);
  parts.bar.setAttribute("aria-label", `progress of ${row.id}`);
  parts.fill.style.width = `${known ? row.percent : 0}%`;
  if (known) parts.bar.setAttribute("aria-valuenow", String(row.percent));
  else parts.bar.removeAttribute("aria-valuenow");
  setText(parts.percent, known ? `${Math.floor(row.percent)} %` : "");
  setText(parts.rate, speed(row.rate));
  setText(parts.left, row.left);
  setText(parts.what, row.message);
  parts.what.title = row.message;
  parts.act.hidden = !row.can;
  parts.act.disabled = false;
  setText(parts.act, row.can);
  parts.act.setAttribute("aria-label", `${row.can} ${row.id}`);
}

/** The table in one place of a page. */
class Table {
  constructor(model, rows, el) {
    Object.assign(this, { model, rows, parts: build(el), laid: new Map(), sort: null, down: false, at: null, sure: null });
    this.ends = [];
    this.listen();
    this.parts.filter.value = model.get("filter") ?? "";
    this.lay();
    this.showProblem();
  }

  listen() {
    const { parts, model } = this;
    const on = (target, name, act) => {
      target.addEventListener(name, act);
      this.ends.push(() => target.removeEventListener(name, act));
    };
    const told = (name, act) => {
      model.on(`change:${name}`, act);
      this.ends.push(() => model.off(`change:${name}`, act));
    };
    told("selected", () => this.mark());
    told("problem", () => this.showProblem());
    told("filter", () => {
      if (parts.filter.value !== model.get("filter")) parts.filter.value = model.get("filter");
      this.lay();
    });
    on(parts.filter, "input", () => this.setFilter(parts.filter.value));
    on(parts.all, "change", () => this.select(parts.all.checked ? this.shown.map((row) => row.id) : []));
    parts.heads.forEach((cell, n) => on(cell.firstChild, "click", () => this.sortBy(n)));
    on(parts.body, "change", (event) => this.toggle(event.target.closest("tr")?.dataset.id));
    on(parts.body, "click", (event) => {
      const act = event.target.closest(".dmod-jobs-act");
      const id = event.target.closest("tr")?.dataset.id;
      if (!id) return;
      if (act) this.ask(this.rows.get(id).can, [id]);
      else if (!event.target.closest("input")) this.toggle(id);
    });
    on(parts.body, "keydown", (event) => this.key(event));
    on(parts.body, "focusin", (event) => this.focus(event.target.closest("tr")?.dataset.id, false));
    on(parts.cancel, "click", () => this.askAll("cancel"));
    on(parts.restart, "click", () => this.askAll("restart"));
  }

  end() {
    clearTimeout(this.sure?.timer);
    for (const end of this.ends) end();
  }

  setFilter(text) {
    this.model.set("filter", text);
    this.model.save_changes();
    this.lay();
  }

  selected() {
    return this.model.get("selected") ?? [];
  }

  select(ids) {
    this.model.set("selected", ids);
    this.model.save_changes();
    this.mark();
  }

  toggle(id) {
    if (!id) return;
    const before = this.selected();
    this.select(before.includes(id) ? before.filter((other) => other !== id) : [...before, id]);
  }

  ask(what, ids) {
    if (!what || !ids.length) return;
    this.model.send({ do: what, ids });
    for (const id of ids) if (this.laid.has(id)) this.laid.get(id).act.disabled = true;
    setText(this.parts.status, `asked to ${what} ${ids.length === 1 ? ids[0] : `${ids.length} jobs`}`);
  }

  /** Ask for the selected jobs; for several only after a second click. */
  askAll(what) {
    const ids = this.selected().filter((id) => this.rows.get(id)?.can === what);
    const sure = this.sure?.what === what && this.sure.count === ids.length;
    clearTimeout(this.sure?.timer);
    this.sure = null;
    if (ids.length > 1 && !sure) {
      const timer = setTimeout(() => {
        this.sure = null;
        this.mark();
      }, 5000);
      this.sure = { what, count: ids.length, timer };
    } else this.ask(what, ids);
    this.mark();
  }

  sortBy(n) {
    if (this.sort !== n) [this.sort, this.down] = [n, false];
    else if (!this.down) this.down = true;
    else this.sort = null;
    this.parts.heads.forEach((cell, k) => {
      if (k === this.sort) cell.setAttribute("aria-sort", this.down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
    this.lay();
  }

  /** Rows in order, those that the filter lets through, and what stands above and below them. */
  lay() {
    const filter = this.parts.filter.value.trim();
    this.shown = [...this.rows.values()].filter((row) => !filter || matches(row, filter));
    if (this.sort !== null) {
      const key = COLUMNS[this.sort][1];
      const way = this.down ? -1 : 1;
      this.shown.sort((a, b) => (key(a) < key(b) ? -way : key(a) > key(b) ? way : 0));
    }
    const nodes = this.shown.slice(0, MOST).map((row) => this.rowOf(row).row);
    const { body } = this.parts;
    if (nodes.length !== body.children.length || nodes.some((node, n) => body.children[n] !== node)) {
      const active = document.activeElement;
      body.replaceChildren(...nodes);
      if (active && body.contains(active) && document.activeElement !== active) active.focus();
    }
    this.count();
    this.mark();
    this.focus(this.at, false);
  }

  rowOf(row) {
    let parts = this.laid.get(row.id);
    if (!parts) {
      parts = layRow(row.id);
      this.laid.set(row.id, parts);
    }
    if (parts.shown !== row) fillRow(parts, row);
    parts.shown = row;
    return parts;
  }

  /** Rows that changed. The order stays while a hand may be about to click, unless the filter says otherwise. */
  change(rows) {
    for (const row of rows) this.rowOf(row);
    if (this.parts.filter.value.trim()) this.lay();
    else {
      this.shown = this.shown.map((row) => this.rows.get(row.id) ?? row);
      this.count();
      this.mark();
    }
  }

  count() {
    const { states, frame } = this.parts;
    const found = [...counts(this.rows.values())];
    while (states.children.length > found.length) states.lastChild.remove();
    const filter = this.parts.filter.value.trim();
    found.forEach(([state, count], n) => {
      let chip = states.children[n];
      if (!chip) {
        chip = element("button", "dmod-jobs-chip", states, { type: "button" });
        chip.addEventListener("click", () => {
          const next = this.parts.filter.value.trim() === chip.dataset.state ? "" : chip.dataset.state;
          this.parts.filter.value = next;
          this.setFilter(next);
        });
      }
      chip.dataset.state = state;
      chip.dataset.tone = [...this.rows.values()].find((row) => row.state === state).tone;
      chip.setAttribute("aria-pressed", String(filter === state));
      setText(chip, `${count.toLocaleString("en")} ${state}`);
    });
    frame.dataset.shown = String(this.shown.length);
  }

  /** Which rows are selected, and what can be done about them. */
  mark() {
    const { parts } = this;
    const chosen = new Set(this.selected());
    for (const [id, row] of this.laid) {
      if (row.check.checked !== chosen.has(id)) row.check.checked = chosen.has(id);
      row.row.setAttribute("aria-selected", String(chosen.has(id)));
    }
    const seen = this.shown.filter((row) => chosen.has(row.id)).length;
    parts.all.checked = seen > 0 && seen === this.shown.length;
    parts.all.indeterminate = seen > 0 && seen < this.shown.length;
    for (const what of ["cancel", "restart"]) {
      const able = [...chosen].filter((id) => this.rows.get(id)?.can === what).length;
      const sure = this.sure?.what === what;
      parts[what].disabled = !able;
      parts[what].classList.toggle("dmod-jobs-sure", sure);
      setText(parts[what], able ? `${sure ? "really " : ""}${what} ${able === 1 ? "selected" : able}${sure ? "?" : ""}` : what);
    }
    const of = this.rows.size;
    const listed = Math.min(this.shown.length, MOST);
    const said = [listed === of ? "" : `${listed.toLocaleString("en")} of ${of.toLocaleString("en")} jobs are shown`];
    if (chosen.size) said.push(`${chosen.size.toLocaleString("en")} selected`);
    if (!of) said.push("no jobs");
    setText(parts.status, said.filter(Boolean).join(", "));
  }

  showProblem() {
    const text = this.model.get("problem") ?? "";
    setText(this.parts.problem, text);
    this.parts.problem.hidden = !text;
    if (text) for (const [id, parts] of this.laid) parts.act.disabled = !this.rows.has(id);
  }

  /** Only one row takes part when Tab goes through the page; arrows go from row to row. */
  focus(id, move = true) {
    const first = this.shown[0]?.id;
    const next = id && this.laid.get(id)?.row.isConnected ? id : first;
    for (const known of [this.at, next]) {
      const parts = this.laid.get(known);
      if (!parts) continue;
      parts.check.tabIndex = parts.act.tabIndex = known === next ? 0 : -1;
    }
    this.at = next;
    if (move && next) this.laid.get(next).check.focus();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const rows = [...this.parts.body.children];
    const now = rows.findIndex((row) => row.dataset.id === this.at);
    const steps = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: rows.length - 1, PageDown: now + 10, PageUp: now - 10 };
    if (!(event.key in steps)) {
      if (event.key === "Escape") this.select([]);
      // The notebook has shortcuts of its own, for letters and Enter too.
      if (!["Tab", "Escape"].includes(event.key)) event.stopPropagation();
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    this.focus(rows[Math.min(Math.max(steps[event.key], 0), rows.length - 1)]?.dataset.id);
  }
}

/** One store of rows for all views of a table. */
export default () => {
  const rows = new Map();
  const tables = new Set();

  function load(model) {
    rows.clear();
    for (const [id, row] of Object.entries(model.get("rows") ?? {})) rows.set(id, row);
  }

  return {
    initialize({ model }) {
      load(model);
      model.on("change:rows", () => {
        load(model);
        for (const table of tables) table.lay();
      });
      model.on("change:changes", () => {
        const changed = model.get("changes") ?? [];
        for (const row of changed) rows.set(row.id, row);
        for (const table of tables) table.change(changed);
      });
    },
    render({ model, el }) {
      const table = new Table(model, rows, el);
      tables.add(table);
      return () => {
        table.end();
        tables.delete(table);
      };
    },
  };
};
