// The card of a job. Python sends words (`shown`, see dmod/view/card.py); this lays them out
// and changes only what is new, so that a screen reader is not told everything twice a second.

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
  const card = element("div", "dmod-card", el);
  card.setAttribute("role", "group");
  const head = element("div", "dmod-card-head", card);
  const name = element("strong", "dmod-card-name", head);
  const state = element("span", "dmod-card-state", head);
  const sign = element("span", "dmod-card-sign", state);
  sign.setAttribute("aria-hidden", "true");
  const word = element("span", "dmod-card-word", state);
  word.setAttribute("role", "status");
  const progress = element("div", "dmod-card-progress", card);
  const bar = element("div", "dmod-card-bar", progress);
  bar.setAttribute("role", "progressbar");
  bar.setAttribute("aria-label", "progress");
  bar.setAttribute("aria-valuemin", "0");
  bar.setAttribute("aria-valuemax", "100");
  const fill = element("div", "dmod-card-fill", bar);
  const percent = element("span", "dmod-card-percent", progress);
  const facts = element("dl", "dmod-card-facts", card);
  const message = element("div", "dmod-card-message", card);
  const output = element("div", "dmod-card-output", card);
  element("span", "dmod-card-label", output).textContent = "outputs ";
  const path = element("code", "dmod-card-path", output);
  return { card, name, sign, word, bar, fill, percent, facts, message, output, path };
}

function showFacts(list, facts) {
  while (list.children.length > facts.length) list.lastChild.remove();
  facts.forEach(([label, value], n) => {
    let pair = list.children[n];
    if (!pair) {
      pair = element("div", "dmod-card-fact", list);
      element("dt", "dmod-card-label", pair);
      element("dd", "dmod-card-value", pair);
    }
    setText(pair.children[0], label);
    setText(pair.children[1], value);
  });
}

function show(parts, shown) {
  if (!shown || shown.name === undefined) return;
  const known = typeof shown.percent === "number";
  parts.card.dataset.tone = shown.tone;
  parts.card.setAttribute("aria-label", shown.name);
  setText(parts.name, shown.name);
  setText(parts.sign, shown.sign + " ");
  setText(parts.word, shown.state);
  parts.fill.style.width = (known ? shown.percent : 0) + "%";
  if (known) {
    parts.bar.setAttribute("aria-valuenow", String(shown.percent));
    parts.bar.setAttribute("aria-valuetext", Math.round(shown.percent) + " %");
  } else {
    parts.bar.removeAttribute("aria-valuenow");
    parts.bar.removeAttribute("aria-valuetext");
  }
  setText(parts.percent, known ? Math.round(shown.percent) + " %" : "");
  showFacts(parts.facts, shown.facts);
  setText(parts.message, shown.message);
  parts.message.hidden = !shown.message;
  setText(parts.path, shown.output);
  parts.output.hidden = !shown.output;
}

function render({ model, el }) {
  const parts = build(el);
  const update = () => show(parts, model.get("shown"));
  update();
  model.on("change:shown", update);
  return () => model.off("change:shown", update);
}

export default { render };
