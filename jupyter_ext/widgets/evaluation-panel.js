// The view of evaluation.js, which stands above this in the same module, bound to a model: Python sends
// the series of the chosen place, and finer ones of what is looked at (see dmod/view/evaluation_panel.py).

const QUIET_MS = 120; // how long a hand rests before Python hears of a new window

/** The view in an element; gives what ends it. */
function bind(model, el) {
  const scene = structuredClone(model.get("scene"));
  const numbers = new Map(scene.places.map((place, n) => [place.label, n]));
  const chosen = () => numbers.get(model.get("selected")) ?? 0;
  let timer = 0;
  const tell = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };
  const view = show(el, scene, new ArrayBuffer(0), {
    first: chosen(),
    chosen(number) {
      const { label } = scene.places[number];
      if (model.get("selected") !== label) tell("selected", label);
    },
    moved(window, bounds) {
      const whole = window[0] <= bounds[0] && window[1] >= bounds[1];
      clearTimeout(timer);
      timer = setTimeout(() => {
        timer = 0;
        tell("window", whole ? [] : window.map(Math.round));
      }, QUIET_MS);
    },
    scaled: (log) => tell("log", log),
  });
  view.parts.el.classList.add("dmod-ev-widget");

  const acts = {
    series() {
      const { place, about, layout } = model.get("series");
      view.fill(place, about, layout, model.get("arrays"));
      acts.window();
    },
    finer() {
      const { place, about, layout, span } = model.get("finer");
      if (span) view.refine(place, about, layout, model.get("finer_arrays"), span);
    },
    selected: () => chosen() !== view.state.place && view.choose(chosen()),
    window() {
      const bounds = view.bounds();
      if (!bounds || timer) return; // a hand is at it
      const told = model.get("window");
      const next = told.length === 2 ? told : bounds;
      if (next.some((t, n) => Math.abs(t - view.state.window[n]) > 1)) view.move(next, false);
    },
    log: () => model.get("log") !== view.state.log && view.setLog(model.get("log")),
  };
  for (const [name, act] of Object.entries(acts)) model.on(`change:${name}`, act);
  acts.series();
  acts.finer();
  acts.log();
  const themes = new MutationObserver(view.redraw);
  for (const node of [document.documentElement, document.body]) themes.observe(node, { attributes: true });
  return () => {
    clearTimeout(timer);
    themes.disconnect();
    view.end();
    for (const [name, act] of Object.entries(acts)) model.off(`change:${name}`, act);
  };
}

function render({ model, el }) {
  let end = bind(model, el);
  const again = () => {
    end();
    el.replaceChildren();
    end = bind(model, el);
  };
  model.on("change:scene", again);
  return () => {
    model.off("change:scene", again);
    end();
  };
}

export default { render };
