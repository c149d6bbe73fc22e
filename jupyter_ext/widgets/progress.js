// How far something is. Python sends words (`shown`, see dmod/view/progress.py); this lays them
// out. A screen reader hears the bar when asked, and the end when it comes.

function element(tag, className, parent) {
  const made = document.createElement(tag);
  made.className = className;
  parent.append(made);
  return made;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function build(el) {
  const root = element("div", "dmod-progress", el);
  root.setAttribute("role", "group");
  const head = element("div", "dmod-progress-head", root);
  const label = element("span", "dmod-progress-label", head);
  const facts = element("span", "dmod-progress-facts", head);
  const line = element("div", "dmod-progress-line", root);
  const bar = element("div", "dmod-progress-bar", line);
  bar.setAttribute("role", "progressbar");
  bar.setAttribute("aria-valuemin", "0");
  bar.setAttribute("aria-valuemax", "100");
  const fill = element("div", "dmod-progress-fill", bar);
  const percent = element("span", "dmod-progress-percent", line);
  const message = element("div", "dmod-progress-message", root);
  const end = element("span", "dmod-progress-end", root);
  end.setAttribute("role", "status");
  return { root, label, facts, bar, fill, percent, message, end };
}

function show(parts, shown) {
  if (!shown || shown.label === undefined) return;
  const known = typeof shown.percent === "number";
  parts.root.dataset.tone = shown.tone;
  parts.root.setAttribute("aria-label", shown.label);
  parts.bar.setAttribute("aria-label", shown.label);
  setText(parts.label, shown.label);
  setText(parts.facts, shown.facts);
  parts.bar.classList.toggle("dmod-progress-open", !known && shown.state === "going");
  parts.fill.style.width = known ? `${shown.percent}%` : "";
  if (known) parts.bar.setAttribute("aria-valuenow", String(shown.percent));
  else parts.bar.removeAttribute("aria-valuenow");
  parts.bar.setAttribute("aria-valuetext", shown.facts);
  setText(parts.percent, known ? `${Math.floor(shown.percent)} %` : "");
  setText(parts.message, shown.message);
  parts.message.hidden = !shown.message;
  setText(parts.end, shown.state === "going" ? "" : `${shown.label}: ${shown.facts}`);
}

function render({ model, el }) {
  const parts = build(el);
  const update = () => show(parts, model.get("shown"));
  update();
  model.on("change:shown", update);
  return () => model.off("change:shown", update);
}

export default { render };
