// The map of a domain. Python sends a scene (names, legend, where each array lies) and one block
// of bytes with the arrays (see dmod/view/domain_explore.py); this draws them on a canvas and tells
// what was chosen. Nothing is fetched, and all text goes through textContent.

const KINDS = { int16: Int16Array, int32: Int32Array, float32: Float32Array };
const REACH = 4; // how far a hand may shake in a click, in pixels
const NEAR = 9; // how far a click may miss a point
const NAMED = 200; // places of an evaluation up to which those are named that have room
const CROWD = 700; // nexuses in view beyond which none is drawn
const FRAME_MS = 180; // how long a step is shown when they play

// ---- Pure: numbers in, numbers out -----------------------------------------------------------

/** The arrays of a block of bytes: layout maps a name to [kind, first byte, number of items]. */
export function unpack(layout, bytes) {
  const arrays = {};
  for (const [name, [kind, offset, count]] of Object.entries(layout)) {
    const first = bytes.byteOffset + offset;
    // A copy, for a message's bytes may begin anywhere and an array's may not.
    arrays[name] = new KINDS[kind](bytes.buffer.slice(first, first + count * KINDS[kind].BYTES_PER_ELEMENT));
  }
  return arrays;
}

/** West, south, east and north of each feature, in one array. */
export function boxesOf({ points, part_start: starts, feature_start: features }) {
  const boxes = new Float64Array(4 * (features.length - 1));
  for (let n = 0; n + 1 < features.length; n++) {
    let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity];
    for (let v = starts[features[n]]; v < starts[features[n + 1]]; v++) {
      const x = points[2 * v];
      const y = points[2 * v + 1];
      west = Math.min(west, x);
      east = Math.max(east, x);
      south = Math.min(south, y);
      north = Math.max(north, y);
    }
    boxes.set([west, south, east, north], 4 * n);
  }
  return boxes;
}

/** The box around some features; around all of them by default. */
export function boxAround(boxes, features) {
  const all = features ?? Array.from({ length: boxes.length / 4 }, (_, n) => n);
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (const n of all) {
    for (const side of [0, 1]) box[side] = Math.min(box[side], boxes[4 * n + side]);
    for (const side of [2, 3]) box[side] = Math.max(box[side], boxes[4 * n + side]);
  }
  return box[0] <= box[2] ? box : [-1, -1, 1, 1];
}

/** The view that shows a box whole: what is in the middle, and pixels per unit. */
export function fit([west, south, east, north], width, height, margin = 0.06) {
  const room = 1 - 2 * margin;
  const scale = Math.min((width * room) / Math.max(east - west, 1), (height * room) / Math.max(north - south, 1));
  return { x: (west + east) / 2, y: (south + north) / 2, scale };
}

export function toScreen(view, width, height, x, y) {
  return [width / 2 + (x - view.x) * view.scale, height / 2 - (y - view.y) * view.scale];
}

export function toMap(view, width, height, px, py) {
  return [view.x + (px - width / 2) / view.scale, view.y - (py - height / 2) / view.scale];
}

/** The view that is larger by a factor, with the same place under the pixel. */
export function zoomed(view, width, height, px, py, factor, [least, most] = [1e-4, 1e3]) {
  const scale = Math.min(Math.max(view.scale * factor, least), most);
  const [x, y] = toMap(view, width, height, px, py);
  return { x: x - (px - width / 2) / scale, y: y + (py - height / 2) / scale, scale };
}

/** Whether a point lies in a feature: an odd number of its rings' edges stand to the east. */
export function contains({ points, part_start: starts, feature_start: features }, n, x, y) {
  let inside = false;
  for (let ring = features[n]; ring < features[n + 1]; ring++) {
    const end = starts[ring + 1];
    for (let v = starts[ring]; v + 1 < end; v++) {
      const [x0, y0, x1, y1] = [points[2 * v], points[2 * v + 1], points[2 * v + 2], points[2 * v + 3]];
      if (y0 > y !== y1 > y && x < x0 + ((y - y0) * (x1 - x0)) / (y1 - y0)) inside = !inside;
    }
  }
  return inside;
}

/** The feature at a point, -1 for none. */
export function hit(arrays, boxes, x, y) {
  for (let n = 0; n < boxes.length / 4; n++) {
    const near = x >= boxes[4 * n] && y >= boxes[4 * n + 1] && x <= boxes[4 * n + 2] && y <= boxes[4 * n + 3];
    if (near && contains(arrays, n, x, y)) return n;
  }
  return -1;
}

/** The point nearest to a pixel, of those within reach; -1 for none. Points are [x, y] in pixels. */
export function nearest(points, px, py, reach = NEAR) {
  let [found, least] = [-1, reach * reach];
  points.forEach(([x, y], n) => {
    const far = (x - px) ** 2 + (y - py) ** 2;
    if (far <= least) [found, least] = [n, far];
  });
  return found;
}

/** Marks of the features whose water comes to one of some features, those included. */
export function upstream(downstream, from) {
  const above = Array.from(downstream, () => []);
  downstream.forEach((next, n) => next >= 0 && above[next].push(n));
  const marked = new Uint8Array(downstream.length);
  const waiting = [...from];
  while (waiting.length) {
    const n = waiting.pop();
    if (marked[n]) continue; // also ends a walk in a circle
    marked[n] = 1;
    for (const next of above[n]) waiting.push(next);
  }
  return marked;
}

/** The colour of a value on a ramp of at least two colours [r, g, b]. */
export function onRamp(stops, low, high, value) {
  const at = high > low ? Math.min(Math.max((value - low) / (high - low), 0), 1) * (stops.length - 1) : 0;
  const n = Math.min(Math.floor(at), stops.length - 2);
  return stops[n].map((from, c) => Math.round(from + (stops[n + 1][c] - from) * (at - n)));
}

/** A length of 1, 2 or 5 times a power of ten, about as long as some pixels. */
export function scaleBar(metresPerPixel, pixels) {
  const about = metresPerPixel * pixels;
  const power = 10 ** Math.floor(Math.log10(about));
  const metres = [5, 2, 1].map((step) => step * power).find((length) => length <= about * (1 + 1e-9));
  return { pixels: metres / metresPerPixel, text: metres >= 1000 ? `${metres / 1000} km` : `${+metres.toPrecision(1)} m` };
}

/** The feature that a text names: a gage in any spelling, a catchment, or the number of one. */
export function find(text, gages, ids) {
  const asked = text.trim().toLowerCase();
  if (!asked) return -1;
  const digits = asked.replace(/^(gages?|usgs|nwis)[-: ]*/, "");
  const gage = gages.find(([name]) => name.toLowerCase() === asked || name.toLowerCase() === digits);
  if (gage) return gage[1];
  const whole = ids.findIndex((id) => id.toLowerCase() === asked);
  return whole >= 0 ? whole : ids.findIndex((id) => id.toLowerCase().replace(/^[a-z]+-/, "") === asked);
}

/** A number as people read it. */
export function figure(value) {
  if (!Number.isFinite(value)) return "no value";
  return Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(2) : String(+value.toPrecision(4));
}

// ---- The page --------------------------------------------------------------------------------

let made = 0;

function element(tag, className, parent, attributes = {}) {
  const node = document.createElement(tag);
  node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  parent.append(node);
  return node;
}

function button(parent, text, label) {
  const node = element("button", "dmod-map-button", parent, { type: "button", "aria-label": label, title: label });
  node.textContent = text;
  return node;
}

function build(el, scene) {
  const map = element("div", "dmod-map", el, { role: "group", "aria-label": `Map of ${scene.name}` });
  const bar = element("div", "dmod-map-bar", map);
  const larger = button(bar, "+", "zoom in");
  const smaller = button(bar, "−", "zoom out");
  const whole = button(bar, "whole", "show the whole domain");
  const above = button(bar, "upstream", "mark all that drains to the selected catchments");
  above.setAttribute("aria-pressed", "false");
  const clear = button(bar, "clear", "select nothing");
  const list = `dmod-map-gages-${(made += 1)}-${Math.random().toString(36).slice(2)}`;
  const search = element("input", "dmod-map-search", bar, {
    type: "search", list, placeholder: "gage or catchment", "aria-label": "find a gage or a catchment",
  });
  const metric = element("select", "dmod-map-button dmod-map-metric", bar, { "aria-label": "metric" });
  for (const one of scene.marks?.metrics ?? []) element("option", "", metric, { value: one.name, title: one.title }).textContent = one.label;
  metric.hidden = (scene.marks?.metrics.length ?? 0) < 2;
  const options = element("datalist", "", bar, { id: list });
  for (const [gage] of scene.gages.slice(0, 500)) element("option", "", options, { value: gage });
  const frame = element("div", "dmod-map-frame", map);
  const canvas = element("canvas", "dmod-map-canvas", frame, {
    tabindex: "0", role: "application", "aria-label": scene.label,
    "aria-keyshortcuts": "ArrowLeft ArrowRight ArrowUp ArrowDown + - 0 Enter u Escape",
  });
  const tip = element("div", "dmod-map-tip", frame, { "aria-hidden": "true" });
  tip.hidden = true;
  const slider = element("div", "dmod-map-time", map);
  const play = button(slider, "▶", "play");
  const moment = element("input", "dmod-map-slider", slider, {
    type: "range", min: "0", max: String(Math.max(scene.steps.length - 1, 0)), step: "1", value: "0", "aria-label": "time",
  });
  const instant = element("span", "dmod-map-instant", slider);
  slider.hidden = scene.steps.length < 2;
  legend(element("div", "dmod-map-legend", map), scene.paint);
  const classes = element("div", "dmod-map-legend", map);
  const status = element("div", "dmod-map-status", map, { role: "status", "aria-live": "polite" });
  const message = element("div", "dmod-map-message", map);
  message.textContent = scene.message;
  message.hidden = !scene.message;
  return { map, canvas, tip, larger, smaller, whole, above, clear, search, metric, play, moment, instant, classes, status };
}

function legend(node, paint) {
  node.hidden = paint.kind === "plain";
  if (node.hidden) return;
  element("span", "dmod-map-legend-name", node).textContent = paint.label;
  if (paint.kind === "ramp") {
    element("span", "", node).textContent = figure(paint.low);
    const ramp = element("span", "dmod-map-ramp", node, { "aria-hidden": "true" });
    ramp.style.background = `linear-gradient(to right, ${paint.stops.map((c) => `rgb(${c.join(",")})`).join(",")})`;
    element("span", "", node).textContent = figure(paint.high);
    return;
  }
  paint.names.slice(0, 40).forEach((name, n) => {
    const part = element("span", "dmod-map-part", node);
    element("span", "dmod-map-swatch", part, { "aria-hidden": "true" }).style.background = paint.colours[n];
    element("span", "", part).textContent = name;
  });
  if (paint.names.length > 40) element("span", "", node).textContent = `and ${paint.names.length - 40} more`;
}

/** What the colours of a metric mean. */
function showClasses(node, metric) {
  node.replaceChildren();
  node.hidden = !metric;
  if (!metric) return;
  element("span", "dmod-map-legend-name", node).textContent = metric.title;
  for (const [text, colour] of metric.legend) {
    const part = element("span", "dmod-map-part", node);
    element("span", "dmod-map-swatch dmod-map-round", part, { "aria-hidden": "true" }).style.background = colour;
    element("span", "", part).textContent = text;
  }
}

/** The paths of all features, in the map's units; of each its own. */
function paths({ points, part_start: starts, feature_start: features }, closed) {
  return Array.from({ length: features.length - 1 }, (_, n) => {
    const path = new Path2D();
    for (let part = features[n]; part < features[n + 1]; part++) {
      for (let v = starts[part]; v < starts[part + 1]; v++) {
        if (v === starts[part]) path.moveTo(points[2 * v], points[2 * v + 1]);
        else path.lineTo(points[2 * v], points[2 * v + 1]);
      }
      if (closed) path.closePath();
    }
    return path;
  });
}

/** The theme's colours, as the style sheet has them now. */
function colours(node) {
  const style = getComputedStyle(node);
  const of = (name) => style.getPropertyValue(`--dmod-map-${name}`).trim();
  return {
    land: of("land"), border: of("border"), river: of("river"), above: of("above"), chosen: of("chosen"),
    gage: of("gage"), ink: of("ink"), paper: of("paper"),
  };
}

/** Everything of one map that changes, and how it is drawn. */
class DomainMap {
  constructor(model, el) {
    this.model = model;
    this.scene = model.get("scene");
    this.arrays = unpack(this.scene.layout, model.get("arrays"));
    const { river_points, river_part, river_feature } = this.arrays;
    this.rivers = { points: river_points, part_start: river_part, feature_start: river_feature };
    this.boxes = boxesOf(this.arrays);
    this.place = new Map(this.scene.ids.map((id, n) => [id, n]));
    this.nexusPlace = new Map((this.scene.nexuses ?? []).map((id, n) => [id, n]));
    this.points = this.spots();
    this.landPaths = paths(this.arrays, true);
    this.riverPaths = paths(this.rivers, false);
    this.parts = build(el, this.scene);
    this.step = 0;
    this.hover = -1;
    this.marked = null;
    this.view = null;
    this.ends = [];
    this.nexuses = [];
    this.theme();
    this.listen();
    this.choose(model.get("selected") ?? [], false);
    this.showStep(model.get("step") ?? 0, false);
    this.showMetric(model.get("metric") || this.scene.marks?.metrics[0].name, false);
  }

  /** What can be pointed at beside catchments: where, what it is called, and which id stands for it. */
  spots() {
    const { scene, arrays } = this;
    const spots = [];
    const known = (id) => this.place.has(id) || this.nexusPlace.has(id);
    for (const [n, [label, gage, x, y, target]] of (scene.marks?.places ?? []).entries()) {
      spots.push({ kind: "mark", n, x, y, name: gage && gage !== label ? `${gage} (${label})` : label, id: target });
    }
    for (const [gage, place, x, y, nexus] of scene.gages) {
      spots.push({ kind: "gage", x, y, name: `gage ${gage}`, id: known(nexus) ? nexus : scene.ids[place] });
    }
    (scene.nexuses ?? []).forEach((id, n) => {
      spots.push({ kind: "nexus", n, x: arrays.nexus_points[2 * n], y: arrays.nexus_points[2 * n + 1], name: id, id });
    });
    return spots;
  }

  /** The point under a pixel, if one is drawn there. */
  spotAt(px, py) {
    const seen = this.points.filter((spot) => spot.kind !== "nexus" || this.roomy);
    const at = nearest(seen.map(({ x, y }) => toScreen(this.view, this.width, this.height, x, y)), px, py);
    return at < 0 ? null : seen[at];
  }

  listen() {
    const { parts } = this;
    const on = (target, name, act, options) => {
      target.addEventListener(name, act, options);
      this.ends.push(() => target.removeEventListener(name, act, options));
    };
    listenToPointer(this, on);
    on(parts.canvas, "keydown", (event) => this.key(event));
    on(parts.canvas, "blur", () => this.draw());
    on(parts.canvas, "focus", () => this.draw());
    on(parts.larger, "click", () => this.zoom(1.5));
    on(parts.smaller, "click", () => this.zoom(1 / 1.5));
    on(parts.whole, "click", () => this.showBox());
    on(parts.above, "click", () => this.markUpstream(!this.marked));
    on(parts.clear, "click", () => this.choose([]));
    on(parts.search, "change", () => this.search());
    on(parts.moment, "input", () => this.showStep(Number(parts.moment.value)));
    on(parts.play, "click", () => this.run(!this.running));
    on(parts.metric, "change", () => this.showMetric(parts.metric.value));
    // The notebook has shortcuts of its own, for letters and Enter too.
    for (const field of [parts.search, parts.metric, parts.moment]) on(field, "keydown", (event) => event.stopPropagation());
    const sizes = new ResizeObserver(() => this.resize());
    sizes.observe(parts.canvas);
    const themes = new MutationObserver(() => this.theme());
    for (const node of [document.documentElement, document.body]) themes.observe(node, { attributes: true });
    on(window.matchMedia("(prefers-color-scheme: dark)"), "change", () => this.theme());
    const told = (name, act) => {
      this.model.on(`change:${name}`, act);
      this.ends.push(() => this.model.off(`change:${name}`, act));
    };
    told("selected", () => this.toldOf(this.model.get("selected") ?? []));
    told("step", () => this.model.get("step") !== this.step && this.showStep(this.model.get("step"), false));
    told("metric", () => this.showMetric(this.model.get("metric"), false));
    this.ends.push(() => sizes.disconnect(), () => themes.disconnect());
  }

  end() {
    this.run(false);
    for (const end of this.ends) end();
    cancelAnimationFrame(this.frame);
  }

  theme() {
    this.colours = colours(this.parts.map);
    this.draw();
  }

  resize() {
    const { canvas } = this.parts;
    const dense = window.devicePixelRatio || 1;
    this.width = canvas.clientWidth;
    this.height = canvas.clientHeight;
    if (!this.width || !this.height) return;
    canvas.width = Math.round(this.width * dense);
    canvas.height = Math.round(this.height * dense);
    if (this.view) this.draw();
    else this.showBox();
  }

  showBox(features) {
    if (!this.width) return;
    const around = fit(boxAround(this.boxes, features), this.width, this.height, features ? 0.35 : 0.06);
    if (!features) this.limits = [around.scale / 4, Math.max(around.scale * 400, 20)];
    this.view = around;
    this.draw();
  }

  zoom(factor, px = this.width / 2, py = this.height / 2) {
    if (!this.view) return;
    this.view = zoomed(this.view, this.width, this.height, px, py, factor, this.limits);
    this.draw();
  }

  pan(dx, dy) {
    if (!this.view) return;
    this.view = { ...this.view, x: this.view.x - dx / this.view.scale, y: this.view.y + dy / this.view.scale };
    this.draw();
  }

  at(px, py) {
    return this.view ? hit(this.arrays, this.boxes, ...toMap(this.view, this.width, this.height, px, py)) : -1;
  }

  search() {
    const text = this.parts.search.value;
    const nexus = this.nexusPlace.get(text.trim().toLowerCase());
    if (nexus !== undefined) {
      this.choose([this.scene.nexuses[nexus]]);
      this.showSelected();
      return;
    }
    const found = find(text, this.scene.gages, this.scene.ids);
    if (found >= 0) {
      this.choose([this.scene.ids[found]]);
      this.showBox([found]);
    } else if (text.trim()) this.parts.status.textContent = `no gage or catchment ${text.trim()} on this map`;
  }

  /** Select some catchments; what is not on the map stays selected, but cannot be shown. */
  choose(ids, tell = true) {
    const places = (known) => ids.map((id) => known.get(id)).filter((n) => n !== undefined);
    this.selected = places(this.place);
    this.nexuses = places(this.nexusPlace);
    if (tell) this.tell("selected", ids);
    this.markUpstream(Boolean(this.marked));
  }

  tell(name, value) {
    this.model.set(name, value);
    this.model.save_changes();
  }

  /** What Python chose; brought into view where all of it is outside. */
  toldOf(ids) {
    const now = [...this.selected.map((n) => this.scene.ids[n]), ...this.nexuses.map((n) => this.scene.nexuses[n])];
    if (now.length === ids.length && now.every((id) => ids.includes(id))) return;
    this.choose(ids, false);
    if (!this.view || !(this.selected.length || this.nexuses.length)) return;
    const seen = new Set(inView(this));
    const near = (n) => {
      const [x, y] = toScreen(this.view, this.width, this.height, this.arrays.nexus_points[2 * n], this.arrays.nexus_points[2 * n + 1]);
      return x > 0 && y > 0 && x < this.width && y < this.height;
    };
    if (!this.selected.some((n) => seen.has(n)) && !this.nexuses.some(near)) this.showSelected();
  }

  showSelected() {
    const above = this.chosenLand();
    if (above.length) this.showBox(above);
  }

  /** The catchments that are selected, and those that drain to selected nexuses. */
  chosenLand() {
    const below = new Set(this.nexuses);
    const { nexus_of: of } = this.arrays;
    const drained = below.size ? Array.from(of.keys()).filter((n) => below.has(of[n])) : [];
    return [...new Set([...this.selected, ...drained])];
  }

  /** Select what is under a pixel: a point before the catchment it stands in. */
  pickAt(px, py, more) {
    const spot = this.spotAt(px, py);
    if (spot?.id) this.pickId(spot.id, more);
    else this.pick(this.at(px, py), more);
  }

  pick(n, more) {
    if (n >= 0) this.pickId(this.scene.ids[n], more);
    else if (!more) this.choose([]);
  }

  pickId(id, more) {
    const before = this.model.get("selected") ?? [];
    if (!more) return this.choose([id]);
    return this.choose(before.includes(id) ? before.filter((other) => other !== id) : [...before, id]);
  }

  markUpstream(on) {
    const from = on ? this.chosenLand() : [];
    this.marked = from.length ? upstream(this.arrays.downstream, from) : null;
    this.parts.above.setAttribute("aria-pressed", String(Boolean(this.marked)));
    this.say();
    this.draw();
  }

  say() {
    const { ids, nexuses } = this.scene;
    const names = [...this.selected.map((n) => ids[n]), ...this.nexuses.map((n) => nexuses[n])];
    if (!names.length) {
      this.parts.status.textContent = "";
      return;
    }
    let what = `${names.length} places, ${names[0]} first`;
    if (names.length === 1) what = (this.selected.length ? this.about(this.selected[0]) : this.aboutNexus(this.nexuses[0])).join(", ");
    const all = this.marked?.reduce((sum, mark) => sum + mark, 0);
    this.parts.status.textContent = `selected: ${what}${this.marked ? `; ${all} on the map drain here` : ""}`;
  }

  aboutNexus(n) {
    const id = this.scene.nexuses[n];
    const others = this.points.filter((spot) => spot.id === id && spot.kind !== "nexus");
    return [...new Set([id, ...others.flatMap((spot) => this.aboutSpot(spot))])];
  }

  /** What is known of a point, line by line. */
  aboutSpot(spot) {
    if (spot.kind !== "mark") return [spot.name];
    const values = this.scene.marks.metrics.map((metric) => `${metric.label} ${metric.texts[spot.n]}`);
    return [spot.name, ...values];
  }

  /** What is known of a feature, line by line. */
  about(n) {
    const { paint, ids } = this.scene;
    const lines = [ids[n]];
    const told = paint.label?.startsWith("area ");
    if (Number.isFinite(this.arrays.area[n]) && !told) lines.push(`area ${figure(this.arrays.area[n])} km²`);
    if (paint.kind === "ramp") lines.push(`${paint.label}: ${figure(this.valueOf(n))}`);
    if (paint.kind === "parts") lines.push(`${paint.label}: ${paint.names[this.arrays.part[n]] ?? "none"}`);
    const gages = this.scene.gages.filter((gage) => gage[1] === n).map((gage) => gage[0]);
    if (gages.length) lines.push(`gage ${gages.join(", ")}`);
    return lines;
  }

  valueOf(n) {
    return this.arrays.values[this.step * this.scene.ids.length + n];
  }

  /** Show one step after the other, or stop. */
  run(on) {
    clearInterval(this.timer);
    this.running = on;
    this.parts.play.textContent = on ? "❚❚" : "▶";
    this.parts.play.setAttribute("aria-label", on ? "pause" : "play");
    if (on) this.timer = setInterval(() => this.showStep((this.step + 1) % this.scene.steps.length, false), FRAME_MS);
    else if (this.timer && this.model.get("step") !== this.step) this.tell("step", this.step);
  }

  showMetric(name, tell = true) {
    this.metric = this.scene.marks?.metrics.find((one) => one.name === name) ?? this.scene.marks?.metrics[0];
    showClasses(this.parts.classes, this.metric);
    if (this.metric) this.parts.metric.value = this.metric.name;
    if (tell && this.metric) this.tell("metric", this.metric.name);
    this.draw();
  }

  showStep(step, tell = true) {
    this.step = Math.min(Math.max(step, 0), Math.max(this.scene.steps.length - 1, 0));
    if (tell) this.tell("step", this.step);
    const name = this.scene.steps[this.step] ?? "";
    this.parts.moment.value = String(this.step);
    this.parts.instant.textContent = name;
    this.parts.moment.setAttribute("aria-valuetext", name);
    this.say();
    this.draw();
  }

  showTip(px, py) {
    const n = this.at(px, py);
    const spot = this.view ? this.spotAt(px, py) : null;
    const { tip, canvas } = this.parts;
    canvas.classList.toggle("dmod-map-over", n >= 0 || spot !== null);
    tip.hidden = n < 0 && !spot;
    if (!tip.hidden) {
      tip.replaceChildren();
      for (const line of spot ? this.aboutSpot(spot) : this.about(n)) element("div", "", tip).textContent = line;
      tip.style.left = `${Math.min(px + 14, Math.max(this.width - tip.offsetWidth - 4, 0))}px`;
      tip.style.top = `${Math.min(py + 14, Math.max(this.height - tip.offsetHeight - 4, 0))}px`;
    }
    if (n !== this.hover) {
      this.hover = n;
      this.draw();
    }
  }

  hideTip() {
    this.parts.tip.hidden = true;
    this.hover = -1;
    this.draw();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const middle = [this.width / 2, this.height / 2];
    const far = event.shiftKey ? 150 : 40;
    const acts = {
      ArrowLeft: () => this.pan(far, 0),
      ArrowRight: () => this.pan(-far, 0),
      ArrowUp: () => this.pan(0, far),
      ArrowDown: () => this.pan(0, -far),
      "+": () => this.zoom(1.5),
      "=": () => this.zoom(1.5),
      "-": () => this.zoom(1 / 1.5),
      0: () => this.showBox(),
      Enter: () => this.pickAt(...middle, event.shiftKey),
      " ": () => this.pickAt(...middle, event.shiftKey),
      u: () => this.markUpstream(!this.marked),
      Escape: () => this.choose([]),
    };
    if (!Object.hasOwn(acts, event.key)) return;
    event.preventDefault();
    event.stopPropagation(); // the notebook has shortcuts of its own
    acts[event.key]();
  }

  /** Draw before the next frame, once. */
  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.view && drawMap(this));
  }
}

function listenToPointer(map, on) {
  const { canvas } = map.parts;
  let from = null; // where the hand went down, until it goes up
  const spot = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  on(canvas, "pointerdown", (event) => {
    if (event.button !== 0) return;
    from = { last: spot(event), far: 0 };
    canvas.setPointerCapture(event.pointerId);
  });
  on(canvas, "pointermove", (event) => {
    const [px, py] = spot(event);
    if (!from) return map.showTip(px, py);
    const [dx, dy] = [px - from.last[0], py - from.last[1]];
    from.far += Math.abs(dx) + Math.abs(dy);
    from.last = [px, py];
    if (from.far <= REACH) return undefined;
    map.hideTip();
    return map.pan(dx, dy);
  });
  on(canvas, "pointerup", (event) => {
    if (from && from.far <= REACH && map.view) map.pickAt(...spot(event), event.shiftKey);
    from = null;
  });
  on(canvas, "pointercancel", () => (from = null));
  on(canvas, "pointerleave", () => map.hideTip());
  on(canvas, "dblclick", (event) => {
    if (!map.view) return;
    const n = map.at(...spot(event));
    const id = map.spotAt(...spot(event))?.id || map.scene.ids[n];
    if (!id) return;
    map.choose([id]);
    map.markUpstream(true);
  });
  const wheel = (event) => {
    event.preventDefault();
    // Lines and pages of a wheel in pixels.
    const turned = event.deltaY * [1, 16, 400][event.deltaMode];
    map.zoom(Math.exp(-Math.min(Math.max(turned, -300), 300) / 400), ...spot(event));
  };
  on(canvas, "wheel", wheel, { passive: false });
}

function drawMap(map) {
  const { canvas } = map.parts;
  const { view, width, height, colours: c } = map;
  const context = canvas.getContext("2d");
  const dense = canvas.width / width;
  context.setTransform(dense, 0, 0, dense, 0, 0);
  context.clearRect(0, 0, width, height);
  const scale = dense * view.scale;
  context.setTransform(scale, 0, 0, -scale, dense * (width / 2) - scale * view.x, dense * (height / 2) + scale * view.y);
  context.lineJoin = context.lineCap = "round";
  drawLand(map, context);
  drawRivers(map, context);
  context.strokeStyle = c.chosen;
  context.lineWidth = 2.5 / view.scale;
  for (const n of map.selected) context.stroke(map.landPaths[n]);
  if (map.hover >= 0) {
    context.strokeStyle = c.ink;
    context.lineWidth = 1.5 / view.scale;
    context.stroke(map.landPaths[map.hover]);
  }
  context.setTransform(dense, 0, 0, dense, 0, 0);
  drawNexuses(map, context);
  drawGages(map, context);
  drawMarks(map, context);
  drawScale(map, context);
  if (document.activeElement === canvas) drawCross(map, context);
}

/** Features that are at least partly in view. */
function inView({ view, width, height, boxes, landPaths }) {
  const [west, north] = toMap(view, width, height, 0, 0);
  const [east, south] = toMap(view, width, height, width, height);
  const seen = [];
  for (let n = 0; n < landPaths.length; n++) {
    const out = boxes[4 * n] > east || boxes[4 * n + 1] > north || boxes[4 * n + 2] < west || boxes[4 * n + 3] < south;
    if (!out) seen.push(n);
  }
  return seen;
}

function drawLand(map, context) {
  const { view, scene, colours: c, landPaths } = map;
  const { paint } = scene;
  const seen = inView(map);
  for (const n of seen) {
    let colour = c.land;
    if (paint.kind === "ramp" && Number.isFinite(map.valueOf(n))) {
      colour = `rgb(${onRamp(paint.stops, paint.low, paint.high, map.valueOf(n)).join(",")})`;
    } else if (paint.kind === "parts") colour = paint.colours[map.arrays.part[n]] ?? c.land;
    context.fillStyle = colour;
    context.fill(landPaths[n], "evenodd");
  }
  if (map.marked) {
    // On a plain map what drains here is tinted; on colours, which must stay as they are, the rest fades.
    const plain = paint.kind === "plain";
    context.fillStyle = plain ? c.above : c.paper;
    context.globalAlpha = plain ? 1 : 0.75;
    for (const n of seen) if (Boolean(map.marked[n]) === plain) context.fill(landPaths[n], "evenodd");
    context.globalAlpha = 1;
  }
  context.strokeStyle = c.border;
  context.lineWidth = (seen.length > 1500 ? 0.3 : 0.7) / view.scale;
  for (const n of seen) context.stroke(landPaths[n]);
}

function drawRivers(map, context) {
  const { view, arrays, colours: c } = map;
  const stroke = (colour, more) => {
    context.strokeStyle = colour;
    map.riverPaths.forEach((path, n) => {
      const marked = map.marked?.[arrays.river_land[n]];
      context.lineWidth = ((marked ? 1.4 : 0.4) + 0.5 * arrays.river_order[n] + more) / view.scale;
      context.stroke(path);
    });
  };
  if (map.scene.paint.kind !== "plain") {
    context.globalAlpha = 0.7; // a casing, for rivers may have the colour of what they run through
    stroke(c.paper, 1.2);
    context.globalAlpha = 1;
  }
  stroke(c.river, 0);
}

function overlap(a, b) {
  return a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
}

function dot(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
}

/** Nexuses, where there is room for them; the selected ones always. */
function drawNexuses(map, context) {
  const { view, width, height, colours: c, arrays } = map;
  const at = (n) => toScreen(view, width, height, arrays.nexus_points[2 * n], arrays.nexus_points[2 * n + 1]);
  const seen = [];
  for (let n = 0; n < (map.scene.nexuses?.length ?? 0) && seen.length <= CROWD; n++) {
    const [x, y] = at(n);
    if (x > -5 && y > -5 && x < width + 5 && y < height + 5) seen.push([x, y]);
  }
  map.roomy = seen.length <= Math.min(CROWD, (width * height) / 2500);
  context.fillStyle = c.paper;
  context.strokeStyle = c.river;
  context.lineWidth = 1.4;
  if (map.roomy) {
    for (const [x, y] of seen) {
      dot(context, x, y, 2.6);
      context.fill();
      context.stroke();
    }
  }
  context.strokeStyle = c.chosen;
  context.lineWidth = 2.5;
  for (const n of map.nexuses) {
    dot(context, ...at(n), 9);
    context.stroke();
  }
}

/** Places of an evaluation in the colours of a metric, the worst ones last; hollow where it is undefined. */
function drawMarks(map, context) {
  const { scene, metric, view, width, height, colours: c } = map;
  if (!metric) return;
  const { places } = scene.marks;
  const radius = Math.min(Math.max(60 / Math.sqrt(places.length), 3.5), 7);
  const spots = places.map(([, , x, y]) => toScreen(view, width, height, x, y));
  const taken = spots.map(([px, py]) => [px - radius, py - radius, px + radius, py + radius]);
  context.font = "600 11px system-ui, sans-serif";
  context.textAlign = "left";
  places.forEach(([label, gage], n) => {
    const [px, py] = spots[n];
    if (px < -20 || py < -20 || px > width + 20 || py > height + 20) return;
    dot(context, px, py, radius);
    context.fillStyle = metric.colours[n] || c.paper;
    context.fill();
    context.lineWidth = 3.5;
    context.strokeStyle = c.paper;
    context.stroke();
    context.lineWidth = 1.6;
    context.strokeStyle = c.ink;
    context.stroke();
    const text = `${gage || label}  ${metric.texts[n]}`;
    const room = [px + radius + 3, py - 6, px + radius + 6 + context.measureText(text).width, py + 6];
    if (places.length > NAMED || taken.some((other) => overlap(room, other))) return;
    taken.push(room);
    context.lineWidth = 3;
    context.strokeStyle = c.paper;
    context.strokeText(text, px + radius + 4, py + 4);
    context.fillStyle = c.ink;
    context.fillText(text, px + radius + 4, py + 4);
  });
}

function drawGages(map, context) {
  const { scene, view, width, height, colours: c } = map;
  context.font = "600 11px system-ui, sans-serif";
  context.lineWidth = 3;
  const named = scene.gages.length <= 30 && !map.metric;
  for (const [name, , x, y] of scene.gages) {
    const [px, py] = toScreen(view, width, height, x, y);
    if (px < -20 || py < -20 || px > width + 20 || py > height + 20) continue;
    context.beginPath();
    context.moveTo(px, py - 6);
    context.lineTo(px + 5.5, py + 4);
    context.lineTo(px - 5.5, py + 4);
    context.closePath();
    context.strokeStyle = c.paper;
    context.fillStyle = c.gage;
    context.stroke();
    context.fill();
    if (!named) continue;
    context.strokeText(name, px + 8, py - 4);
    context.fillStyle = c.ink;
    context.fillText(name, px + 8, py - 4);
  }
}

function drawScale(map, context) {
  const { scene, view, height, width, colours: c } = map;
  if (!scene.unit_m || width < 120) return;
  const bar = scaleBar(scene.unit_m / view.scale, width / 5);
  context.fillStyle = c.ink;
  context.fillRect(12, height - 14, bar.pixels, 2);
  context.font = "11px system-ui, sans-serif";
  context.fillText(bar.text, 12 + bar.pixels + 6, height - 10);
}

/** What Enter would select is under the cross. */
function drawCross({ width, height, colours: c }, context) {
  context.strokeStyle = c.ink;
  context.lineWidth = 1;
  context.beginPath();
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    context.moveTo(width / 2 + 3 * dx, height / 2 + 3 * dy);
    context.lineTo(width / 2 + 9 * dx, height / 2 + 9 * dy);
  }
  context.stroke();
}

function render({ model, el }) {
  let map = new DomainMap(model, el);
  const again = () => {
    map.end();
    el.replaceChildren();
    map = new DomainMap(model, el);
  };
  model.on("change:scene", again);
  return () => {
    model.off("change:scene", again);
    map.end();
  };
}

export default { render };
