// The interactive view of an evaluation. Python sends a scene (names, scores, where each array lies)
// and one block of bytes with the series (see dmod/view/evaluation_explore.py); this draws them on
// canvases. A line of any length costs as much as the picture is wide: see `pyramid` and `envelope`.
// Nothing is fetched, nothing is scored, and all text goes through textContent.

const KINDS = { float32: Float32Array, float64: Float64Array, int32: Int32Array };
const FOUR = 4; // blocks of a level that make one of the next

// ---- Pure: numbers in, numbers out -----------------------------------------------------------

/** The arrays of a block of bytes: layout maps a name to [kind, first byte, number of items]. */
export function unpack(layout, buffer) {
  if (ArrayBuffer.isView(buffer)) buffer = buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength);
  const arrays = {};
  for (const [name, [kind, first, count]] of Object.entries(layout)) arrays[name] = new KINDS[kind](buffer, first, count);
  return arrays;
}

/** Lowest and highest of every 4, 16, 64 ... values; NaN where a block has none. */
export function pyramid(values) {
  const levels = [];
  let [low, high] = [values, values];
  while (low.length > FOUR) {
    const count = Math.ceil(low.length / FOUR);
    const [less, more] = [new Float32Array(count), new Float32Array(count)];
    for (let n = 0; n < count; n++) {
      let [least, most] = [Infinity, -Infinity];
      const last = Math.min(FOUR * (n + 1), low.length);
      for (let i = FOUR * n; i < last; i++) {
        if (low[i] < least) least = low[i];
        if (high[i] > most) most = high[i];
      }
      less[n] = least <= most ? least : NaN;
      more[n] = least <= most ? most : NaN;
    }
    levels.push([less, more]);
    [low, high] = [less, more];
  }
  return { values, levels };
}

/** Lowest and highest of values[first..last); [NaN, NaN] if there is none. */
export function extremes({ values, levels }, first, last) {
  let [least, most] = [Infinity, -Infinity];
  let [low, high, level] = [values, values, 0];
  const see = (i) => {
    if (low[i] < least) least = low[i];
    if (high[i] > most) most = high[i];
  };
  while (first < last) {
    if (level === levels.length || last - first < 2 * FOUR) {
      for (let i = first; i < last; i++) see(i);
      break;
    }
    while (first % FOUR) see(first++);
    while (last % FOUR && last > first) see(--last);
    [low, high] = levels[level++];
    first /= FOUR;
    last /= FOUR;
  }
  return least <= most ? [least, most] : [NaN, NaN];
}

/** Lowest and highest in each of the columns between edges (indices, one more than columns). */
export function envelope(tower, edges) {
  const found = new Float32Array(2 * (edges.length - 1));
  for (let n = 0; n + 1 < edges.length; n++) found.set(extremes(tower, edges[n], edges[n + 1]), 2 * n);
  return found;
}

/** The first index whose time is not before t; times are start + step * i, or start + unit * at[i]. */
export function indexAt(clock, t) {
  if (!clock.at) return Math.min(Math.max(Math.ceil((t - clock.start) / clock.step), 0), clock.count);
  const wanted = (t - clock.start) / clock.unit;
  let [low, high] = [0, clock.count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (clock.at[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function timeAt(clock, index) {
  return clock.at ? clock.start + clock.unit * clock.at[index] : clock.start + clock.step * index;
}

/** The window after zooming by a factor about a time, within bounds and not narrower than least. */
export function zoomed([from, to], factor, about, [first, last], least) {
  const width = Math.min(Math.max((to - from) * factor, least), last - first);
  const share = to > from ? (about - from) / (to - from) : 0.5;
  return within([about - share * width, about + (1 - share) * width], [first, last]);
}

/** A window moved so that it lies within bounds. */
export function within([from, to], [first, last]) {
  const width = Math.min(to - from, last - first);
  const start = Math.min(Math.max(from, first), last - width);
  return [start, start + width];
}

/** Marks on an axis of numbers: about `wanted` of them, at 1, 2 or 5 times a power of ten. */
export function marks(low, high, wanted) {
  const rough = (high - low) / Math.max(wanted, 1);
  if (!(rough > 0)) return [];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const found = [];
  for (let n = Math.ceil(low / step); n * step <= high * (1 + 1e-12); n++) found.push(Number((n * step).toPrecision(12)));
  return found;
}

/** Marks on a logarithmic axis: powers of ten, between them 2 and 5 where there are few. */
export function logMarks(low, high) {
  const found = [];
  const fine = Math.log10(high / low) < 2.5;
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const m of fine ? [1, 2, 5] : [1]) {
      const mark = Number((m * 10 ** power).toPrecision(6));
      if (mark >= low && mark <= high) found.push(mark);
    }
  }
  return found;
}

const [MINUTE, HOUR, DAY] = [6e4, 36e5, 864e5];
const STEPS = [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 5 * DAY, 10 * DAY];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Marks on an axis of time [ms since 1970, UTC], as [time, text]. */
export function timeMarks(from, to, wanted) {
  const rough = (to - from) / Math.max(wanted, 1);
  const step = STEPS.find((s) => s >= rough);
  if (step && step < 2 * DAY) {
    const found = [];
    for (let t = Math.ceil(from / step) * step; t <= to; t += step) found.push([t, momentText(t, step)]);
    return found;
  }
  const months = [1, 2, 3, 6, 12, 24, 60, 120, 240, 600].find((m) => m * 30.5 * DAY >= rough) ?? 1200;
  const days = step ? step / DAY : 0;
  const found = [];
  const start = new Date(from);
  for (let m = start.getUTCFullYear() * 12 + (days ? start.getUTCMonth() : 0); ; m += days ? 1 : months) {
    const month = days ? m : Math.ceil(m / months) * months;
    const first = Date.UTC(Math.floor(month / 12), month % 12, 1);
    if (first > to) break;
    for (let day = 1; day <= (days ? 31 - days / 2 : 1); day += days || 31) {
      const t = first + (day - 1) * DAY;
      if (t >= from && t <= to) found.push([t, dayText(t)]);
    }
  }
  return found;
}

function momentText(t, step) {
  const at = new Date(t);
  if (at.getUTCHours() === 0 && at.getUTCMinutes() === 0) return dayText(t);
  return step >= DAY ? dayText(t) : at.toISOString().slice(11, 16);
}

function dayText(t) {
  const at = new Date(t);
  if (at.getUTCDate() > 1) return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}`;
  return at.getUTCMonth() ? MONTHS[at.getUTCMonth()] : String(at.getUTCFullYear());
}

export function numberText(value) {
  if (Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  const text = size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(1) : String(Number(value.toPrecision(4)));
  return text.replace("-", "−");
}

// ---- Drawing ---------------------------------------------------------------------------------

/** A canvas as wide as it is shown, and its pen in CSS pixels. */
function sheet(canvas) {
  const ratio = globalThis.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.font = "12px system-ui, sans-serif";
  return { pen, width, height };
}

/** A line through all values of [first, last), broken where there are none or a gap in time. */
function drawPoints(pen, series, clock, first, last, x, y) {
  const gap = 1.5 * clock.step;
  const few = last - first <= 60;
  let [down, before] = [false, NaN];
  pen.beginPath();
  for (let i = Math.max(first - 1, 0); i < Math.min(last + 1, clock.count); i++) {
    const [t, value] = [timeAt(clock, i), series.values[i]];
    if (Number.isNaN(value)) {
      down = false;
      continue;
    }
    if (down && t - before <= gap) pen.lineTo(x(t), y(value));
    else pen.moveTo(x(t), y(value));
    [down, before] = [true, t];
  }
  pen.stroke();
  if (!few) return;
  for (let i = first; i < last; i++) {
    if (Number.isNaN(series.values[i])) continue;
    pen.beginPath();
    pen.arc(x(timeAt(clock, i)), y(series.values[i]), 2.2, 0, 7);
    pen.fill();
  }
}

/** The same line where many values share a pixel: each column from its lowest to its highest. */
function drawEnvelope(pen, series, edges, left, y) {
  const found = envelope(series, edges);
  let [low, high] = [NaN, NaN];
  pen.fillStyle = pen.strokeStyle;
  for (let n = 0; n + 1 < edges.length; n++) {
    let [least, most] = [found[2 * n], found[2 * n + 1]];
    if (Number.isNaN(least)) {
      [low, high] = [NaN, NaN];
      continue;
    }
    const [bottom, top] = [least, most];
    if (least > high) least = high; // touches its neighbour on the left
    if (most < low) most = low;
    const from = y(most) - 0.6; // a browser without a graphics card fills boxes many times faster than it strokes lines
    pen.fillRect(left + n, from, 1, y(least) + 0.6 - from);
    [low, high] = [bottom, top];
  }
}

/**
 * Scene and arrays into an element; gives functions that a page or a test may call. Who tells of `chosen`
 * places, `moved` windows and `scaled` axes may send the series of a place when it is chosen (`fill`), and
 * finer ones of a part of it (`refine`).
 */
export function show(root, scene, buffer, { chosen, moved, scaled, first = 0 } = {}) {
  const arrays = unpack(scene.layout, buffer);
  const state = { place: first, window: null, log: false, hidden: new Set(), pointer: null };
  const parts = build(root, scene);
  let held = null;
  let waiting = false;
  let stale = true; // whether more is old than what a window moves over
  let curves = null; // those of the whole period, as they were drawn
  const colours = new Map();

  function colour(name) {
    if (!colours.has(name)) colours.set(name, getComputedStyle(parts.el).getPropertyValue(name).trim());
    return colours.get(name);
  }
  const runColour = (n) => colour(n < 0 ? "--ink" : `--run-${n % 6}`);

  function choose(number) {
    const place = scene.places[number];
    const waits = !place.clock;
    state.place = number;
    listRuns(parts, scene, place, runColour);
    if (parts.select) parts.select.value = String(number);
    for (const [n, row] of (parts.rows ?? []).entries()) row.setAttribute("aria-current", String(n === number));
    parts.el.setAttribute("aria-busy", String(waits));
    if (!waits) {
      held = taken(place);
      state.window = held.bounds;
      redraw();
    }
    chosen?.(number);
  }

  /** The series of a place, or of a part of it, ready to be drawn. */
  function taken(place) {
    const clock = { ...place.clock, at: place.clock.at ? arrays[place.clock.at] : null };
    const series = [place.obs, ...place.sims].map((name, n) => ({ ...pyramid(arrays[name]), run: n - 1 }));
    const rain = place.rain ? { ...pyramid(arrays[place.rain]) } : null;
    const bounds = [timeAt(clock, 0), Math.max(timeAt(clock, clock.count - 1), timeAt(clock, 0) + 1)];
    return { place, clock, series, rain, bounds, finest: place.finest ?? clock.step };
  }

  /** The series of a place that was chosen, when they come; those of others are let go. */
  function fill(number, place, layout, bytes) {
    if (number !== state.place) return;
    for (const other of scene.places) delete other.clock;
    for (const name of Object.keys(arrays)) delete arrays[name];
    Object.assign(arrays, unpack(layout, bytes));
    Object.assign(scene.places[number], place);
    choose(number);
  }

  /** Finer series of the part of a place between two times. */
  function refine(number, place, layout, bytes, span) {
    if (!held || number !== state.place || held.place !== scene.places[number]) return;
    Object.assign(arrays, unpack(layout, bytes));
    held.finer = { ...taken(place), span };
    glide();
  }

  /** What is drawn of a window: the finer series where they reach all over it. */
  function source() {
    const [from, to] = state.window;
    const finer = held.finer;
    return finer && finer.span[0] <= Math.max(from, held.bounds[0]) && finer.span[1] >= Math.min(to, held.bounds[1]) ? finer : held;
  }

  /** Draws what the window shows in the next frame, however often it is asked until then. */
  function glide() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(drawn);
  }

  /** Draws everything in the next frame. */
  function redraw() {
    stale = true;
    glide();
  }

  function draw() {
    stale = true;
    drawn();
  }

  function drawn() {
    waiting = false;
    if (!held) return;
    if (stale) {
      colours.clear();
      curves = null;
    }
    drawFlow();
    drawWhole();
    if (stale) {
      drawDuration();
      drawScatter();
    }
    stale = false;
  }

  const visible = (from = held) => from.series.filter((one) => !state.hidden.has(one.run));

  function frame(width, height) {
    const top = held.rain ? 74 : 10;
    return { left: 52, right: width - 8, top, bottom: height - 24 };
  }

  function drawFlow() {
    const { pen, width, height } = sheet(parts.flow);
    const box = frame(width, height);
    const [from, to] = state.window;
    const seen = source();
    const columns = Math.max(Math.floor(box.right - box.left), 1);
    const x = (t) => box.left + ((t - from) / (to - from)) * (box.right - box.left);
    const edges = new Int32Array(columns + 1);
    for (let n = 0; n <= columns; n++) edges[n] = indexAt(seen.clock, from + ((to - from) * n) / columns);
    edges[columns] = Math.min(edges[columns] + 1, seen.clock.count);
    const [first, last] = [edges[0], edges[columns]];
    const scale = flowScale(visible(seen), first, last, box, held.place.thresholds);
    grid(pen, box, scale, from, to, x);
    for (const [name, value] of held.place.thresholds) {
      if (value > scale.high || value < scale.low) continue;
      pen.strokeStyle = colour("--faint");
      pen.setLineDash([5, 4]);
      pen.lineWidth = 1;
      stroke(pen, box.left, scale.y(value), box.right, scale.y(value));
      pen.setLineDash([]);
      pen.fillStyle = colour("--faint");
      pen.textAlign = "left";
      pen.fillText(name, box.left + 5, scale.y(value) - 4);
    }
    pen.save();
    pen.beginPath();
    pen.rect(box.left, box.top - 2, box.right - box.left, box.bottom - box.top + 2);
    pen.clip();
    for (const one of visible(seen)) {
      pen.strokeStyle = pen.fillStyle = runColour(one.run);
      pen.lineWidth = one.run < 0 ? 1.7 : 1.4;
      pen.lineJoin = "round";
      pen.globalAlpha = one.run < 0 || last - first <= 2 * columns ? 1 : 0.7; // what lies below is seen too
      if (last - first > 2 * columns) drawEnvelope(pen, one, edges, box.left, scale.y);
      else drawPoints(pen, one, seen.clock, first, last, x, scale.y);
    }
    pen.restore();
    if (seen.rain) drawRain(pen, seen.rain, edges, box);
    if (state.pointer !== null) drawPointer(pen, seen, box, x, scale);
    parts.flow.dataset.drawn = `${first},${last}`;
    parts.flow.dataset.finer = String(seen !== held);
  }

  /** Limits of the flows in sight, and where a flow lies. */
  function flowScale(series, first, last, box, thresholds) {
    let [low, high, least] = [Infinity, -Infinity, Infinity];
    for (const one of series) {
      const [a, b] = extremes(one, first, last);
      if (a < low) low = a;
      if (b > high) high = b;
      if (a > 0 && a < least) least = a;
    }
    if (!(low <= high)) [low, high] = [0, 1];
    for (const [, value] of thresholds) if (value > high && value < 1.3 * high) high = value;
    if (state.log) {
      const bottom = least < Infinity ? least : positive(series, first, last, high);
      const [a, b] = [Math.log(bottom / 1.1), Math.log(Math.max(high, bottom * 1.5) * 1.1)];
      const y = (v) => box.bottom - ((Math.log(Math.max(v, 1e-12)) - a) / (b - a)) * (box.bottom - box.top);
      return { low: Math.exp(a), high: Math.exp(b), y, marks: logMarks(Math.exp(a), Math.exp(b)) };
    }
    low = low >= 0 ? 0 : low - 0.04 * (high - low);
    high = high > low ? high + 0.05 * (high - low) : low + 1;
    const y = (v) => box.bottom - ((v - low) / (high - low)) * (box.bottom - box.top);
    return { low, high, y, marks: marks(low, high, (box.bottom - box.top) / 55) };
  }

  /** The lowest flow above zero, of a sample where there are many. */
  function positive(series, first, last, high) {
    let least = Infinity;
    const every = Math.max(1, Math.floor((last - first) / 20000));
    for (const { values } of series) {
      for (let i = first; i < last; i += every) if (values[i] > 0 && values[i] < least) least = values[i];
    }
    return least < Infinity ? Math.max(least, high * 1e-6) : 1;
  }

  function grid(pen, box, scale, from, to, x) {
    pen.lineWidth = 1;
    pen.fillStyle = colour("--faint");
    pen.strokeStyle = colour("--rule");
    pen.textAlign = "right";
    for (const mark of scale.marks) {
      const at = Math.round(scale.y(mark)) + 0.5;
      stroke(pen, box.left, at, box.right, at);
      pen.fillText(numberText(mark), box.left - 6, at + 4);
    }
    pen.strokeStyle = colour("--line");
    stroke(pen, box.left, box.bottom + 0.5, box.right, box.bottom + 0.5);
    pen.textAlign = "center";
    for (const [t, text] of timeMarks(from, to, (box.right - box.left) / 95)) {
      stroke(pen, x(t), box.bottom, x(t), box.bottom + 4);
      const half = pen.measureText(text).width / 2;
      pen.fillText(text, Math.min(Math.max(x(t), box.left + half - 8), box.right - half), box.bottom + 17);
    }
    pen.textAlign = "left";
    pen.fillText(scene.flow, box.left + 5, box.top + 5);
  }

  function drawRain(pen, rain, edges, box) {
    const found = envelope(rain, edges);
    let most = 0;
    for (let n = 1; n < found.length; n += 2) if (found[n] > most) most = found[n];
    pen.fillStyle = colour("--rain");
    const deep = 56;
    for (let n = 0; 2 * n < found.length; n++) {
      const value = found[2 * n + 1];
      if (value > 0) pen.fillRect(box.left + n, 6, 1.2, (value / most) * deep);
    }
    pen.fillStyle = colour("--faint");
    pen.textAlign = "right";
    pen.fillText("0", box.left - 6, 12);
    if (most > 0) pen.fillText(numberText(most), box.left - 6, 6 + deep);
    pen.fillText(scene.rain, box.right, 6 + deep + 8);
  }

  /** A line at the pointer, and what there is in words. */
  function drawPointer(pen, seen, box, x, scale) {
    const at = Math.min(indexAt(seen.clock, state.pointer - seen.clock.step / 2), seen.clock.count - 1);
    const t = timeAt(seen.clock, at);
    if (x(t) < box.left || x(t) > box.right) return;
    pen.strokeStyle = colour("--line");
    stroke(pen, x(t), box.top, x(t), box.bottom);
    const words = [`${new Date(t).toISOString().slice(0, 16).replace("T", " ")} UTC`];
    for (const one of visible(seen)) {
      const value = one.values[at];
      words.push(`${one.run < 0 ? "observed" : scene.runs[one.run]} ${numberText(value)}`);
      if (Number.isNaN(value)) continue;
      pen.fillStyle = runColour(one.run);
      pen.beginPath();
      pen.arc(x(t), scale.y(value), 3.2, 0, 7);
      pen.fill();
    }
    if (seen.rain) words.push(`rain ${numberText(seen.rain.values[at])}`);
    parts.read.textContent = words.join(" · ");
  }

  /** The whole period, and where the window is. */
  function drawWhole() {
    const { pen, width, height } = sheet(parts.whole);
    const [left, right] = [52, width - 8];
    const [first, last] = held.bounds;
    const x = (t) => left + ((t - first) / (last - first)) * (right - left);
    pen.fillStyle = colour("--wash");
    pen.fillRect(left, 0, right - left, height);
    pen.fillStyle = colour("--paper");
    pen.fillRect(x(state.window[0]), 0, Math.max(x(state.window[1]) - x(state.window[0]), 2), height);
    curves ??= drawCurves(left, right, height, x);
    if (curves.width && curves.height) pen.drawImage(curves, 0, 0, width, height);
    pen.strokeStyle = colour("--accent");
    pen.lineWidth = 1.5;
    pen.strokeRect(x(state.window[0]), 0.75, Math.max(x(state.window[1]) - x(state.window[0]), 2), height - 1.5);
  }

  /** The curves of the whole period, to be laid over whatever window is marked. */
  function drawCurves(left, right, height, x) {
    const made = document.createElement("canvas");
    const ratio = globalThis.devicePixelRatio || 1;
    [made.width, made.height] = [parts.whole.width, parts.whole.height];
    const pen = made.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const columns = Math.max(Math.floor(right - left), 1);
    const [first, last] = held.bounds;
    const edges = new Int32Array(columns + 1);
    for (let n = 0; n <= columns; n++) edges[n] = indexAt(held.clock, first + ((last - first) * n) / columns);
    edges[columns] = held.clock.count;
    let high = 0;
    for (const one of visible()) high = Math.max(high, extremes(one, 0, held.clock.count)[1] || 0);
    const y = (v) => height - 4 - (Math.max(v, 0) / (high || 1)) * (height - 10);
    for (const one of visible()) {
      pen.strokeStyle = runColour(one.run);
      pen.lineWidth = 1;
      if (held.clock.count > 2 * columns) drawEnvelope(pen, one, edges, left, y);
      else drawPoints(pen, { values: one.values }, held.clock, 0, held.clock.count, x, y);
    }
    return made;
  }

  function small(canvas, title, under) {
    const made = sheet(canvas);
    const box = { left: 44, right: made.width - 14, top: 24, bottom: made.height - 34 };
    made.pen.fillStyle = colour("--ink");
    made.pen.textAlign = "left";
    made.pen.font = "600 12px system-ui, sans-serif";
    made.pen.fillText(title, 4, 13);
    made.pen.font = "11px system-ui, sans-serif";
    made.pen.fillStyle = colour("--faint");
    made.pen.textAlign = "center";
    made.pen.fillText(under, (box.left + box.right) / 2, made.height - 5);
    return { ...made, box };
  }

  function logAxes(pen, box, low, high, both) {
    const [a, b] = [Math.log(low), Math.log(high)];
    const y = (v) => box.bottom - ((Math.log(v) - a) / (b - a)) * (box.bottom - box.top);
    const x = (v) => box.left + ((Math.log(v) - a) / (b - a)) * (box.right - box.left);
    pen.strokeStyle = colour("--rule");
    pen.fillStyle = colour("--faint");
    for (const mark of logMarks(low, high)) {
      stroke(pen, box.left, y(mark), box.right, y(mark));
      pen.textAlign = "right";
      pen.fillText(numberText(mark), box.left - 4, y(mark) + 4);
      if (!both) continue;
      stroke(pen, x(mark), box.top, x(mark), box.bottom);
      pen.textAlign = "center";
      pen.fillText(numberText(mark), x(mark), box.bottom + 14);
    }
    return { x, y };
  }

  /** How often a flow is exceeded, over the whole period. */
  function drawDuration() {
    const { pen, box } = small(parts.duration, "Flow duration", "share of time exceeded [%]");
    const curves = held.place.curves.map((names, n) => ({ run: n - 1, share: arrays[names[0]], flow: arrays[names[1]] }));
    let [low, high] = [Infinity, 0];
    for (const { flow } of curves) {
      for (const v of flow) {
        if (v > 0 && v < low) low = v;
        if (v > high) high = v;
      }
    }
    if (!(low < Infinity)) return;
    low = Math.max(low, high * 1e-5);
    const { y } = logAxes(pen, box, low / 1.1, Math.max(high, low * 1.5) * 1.1, false);
    const x = (share) => box.left + (share / 100) * (box.right - box.left);
    pen.textAlign = "center";
    for (const mark of [0, 25, 50, 75, 100]) {
      stroke(pen, x(mark), box.top, x(mark), box.bottom);
      pen.fillText(String(mark), x(mark), box.bottom + 14);
    }
    for (const { run, share, flow } of curves) {
      if (state.hidden.has(run)) continue;
      pen.strokeStyle = runColour(run);
      pen.lineWidth = run < 0 ? 1.8 : 1.5;
      pen.beginPath();
      for (let i = 0; i < flow.length && flow[i] >= low; i++) pen.lineTo(x(share[i]), y(flow[i]));
      pen.stroke();
    }
  }

  /** Simulated against observed flow; pairs within the window are full, others pale. */
  function drawScatter() {
    const { pen, box } = small(parts.scatter, "Simulated against observed", scene.flow.replace("discharge", "observed"));
    const [from, to] = state.window.map((t) => (t - held.clock.start) / 1000);
    let [low, high] = [Infinity, 0];
    for (const [, obs, sim] of held.place.pairs.map((names) => names.map((name) => arrays[name]))) {
      for (const values of [obs, sim]) {
        for (const v of values) {
          if (v > 0 && v < low) low = v;
          if (v > high) high = v;
        }
      }
    }
    if (!(low < Infinity)) return;
    low = Math.max(low, high * 1e-5);
    const { x, y } = logAxes(pen, box, low / 1.1, Math.max(high, low * 1.5) * 1.1, true);
    pen.save();
    pen.beginPath();
    pen.rect(box.left, box.top, box.right - box.left, box.bottom - box.top);
    pen.clip();
    for (const near of [false, true]) {
      for (const [run, names] of held.place.pairs.entries()) {
        if (state.hidden.has(run)) continue;
        const [seconds, obs, sim] = names.map((name) => arrays[name]);
        pen.fillStyle = near ? runColour(run) : colour("--line");
        pen.globalAlpha = near ? 0.6 : 0.35;
        for (let i = 0; i < obs.length; i++) {
          if (near === (seconds[i] >= from && seconds[i] <= to)) pen.fillRect(x(obs[i]) - 1, y(sim[i]) - 1, 2.2, 2.2);
        }
      }
    }
    pen.restore();
    pen.strokeStyle = colour("--ink");
    pen.lineWidth = 1;
    stroke(pen, box.left, box.bottom, box.right, box.top);
  }

  // ---- What a hand does ------------------------------------------------------------------------

  const least = () => 4 * held.finest;
  const move = (window, tell = true) => {
    if (!held) return;
    state.window = within(window, held.bounds);
    glide();
    if (tell) moved?.(state.window, held.bounds);
  };
  const middle = () => (state.window[0] + state.window[1]) / 2;
  const zoom = (factor, about = middle()) => held && move(zoomed(state.window, factor, about, held.bounds, least()));
  const pan = (share) => {
    if (!held) return;
    const by = share * (state.window[1] - state.window[0]);
    move(within([state.window[0] + by, state.window[1] + by], held.bounds));
  };
  const timeUnder = (canvas, event) => {
    if (!held) return 0;
    const box = canvas.getBoundingClientRect();
    const share = (event.clientX - box.left - 52) / (box.width - 60);
    const [from, to] = canvas === parts.whole ? held.bounds : state.window;
    return from + share * (to - from);
  };

  const fingers = new Map();
  parts.flow.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, event.clientX);
    parts.flow.setPointerCapture(event.pointerId);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    parts.flow.addEventListener(end, (event) => fingers.delete(event.pointerId));
  }
  parts.flow.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (before === undefined) {
      state.pointer = timeUnder(parts.flow, event);
      glide();
      return;
    }
    if (fingers.size === 2) {
      const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
      zoom(Math.max(Math.abs(before - other), 1) / Math.max(Math.abs(event.clientX - other), 1));
    } else pan((before - event.clientX) / Math.max(parts.flow.clientWidth - 60, 1));
    fingers.set(event.pointerId, event.clientX);
  });
  parts.flow.addEventListener("pointerleave", () => {
    state.pointer = null;
    parts.read.textContent = "";
    glide();
  });
  parts.flow.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan(event.deltaX / 600);
    else zoom(Math.exp(Math.min(Math.max(event.deltaY, -120), 120) / 400), timeUnder(parts.flow, event));
  }, { passive: false });
  parts.flow.addEventListener("dblclick", () => held && move(held.bounds));
  const keys = {
    ArrowLeft: () => pan(-0.2), ArrowRight: () => pan(0.2), PageUp: () => pan(-1), PageDown: () => pan(1),
    "+": () => zoom(0.6), "=": () => zoom(0.6), ArrowUp: () => zoom(0.6), "-": () => zoom(1 / 0.6), ArrowDown: () => zoom(1 / 0.6),
    0: () => held && move(held.bounds), Home: () => pan(-1e9), End: () => pan(1e9), l: () => parts.log.click(),
  };
  parts.flow.addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation(); // a notebook has shortcuts of its own
    act();
    if (!held) return;
    const said = state.window.map((t) => new Date(t).toISOString().slice(0, 16).replace("T", " "));
    parts.read.textContent = `${said[0]} to ${said[1]} UTC`;
  });
  let dragged = false;
  const brush = (event) => {
    if (!held) return;
    const half = (state.window[1] - state.window[0]) / 2;
    const at = timeUnder(parts.whole, event);
    move(within([at - half, at + half], held.bounds));
  };
  parts.whole.addEventListener("pointerdown", (event) => {
    dragged = true;
    parts.whole.setPointerCapture(event.pointerId);
    brush(event);
  });
  parts.whole.addEventListener("pointermove", (event) => dragged && brush(event));
  for (const end of ["pointerup", "pointercancel"]) parts.whole.addEventListener(end, () => (dragged = false));

  parts.nearer.addEventListener("click", () => zoom(0.5));
  parts.farther.addEventListener("click", () => zoom(2));
  parts.all.addEventListener("click", () => held && move(held.bounds));
  const setLog = (on) => {
    state.log = on;
    parts.log.setAttribute("aria-pressed", String(on));
    redraw();
  };
  parts.log.addEventListener("click", () => {
    setLog(!state.log);
    scaled?.(state.log);
  });
  for (const button of parts.series) {
    button.addEventListener("click", () => {
      const run = Number(button.dataset.run);
      if (!state.hidden.delete(run)) state.hidden.add(run);
      button.setAttribute("aria-pressed", String(!state.hidden.has(run)));
      redraw();
    });
  }
  parts.select?.addEventListener("change", () => choose(Number(parts.select.value)));
  for (const [n, button] of (parts.picks ?? []).entries()) button.addEventListener("click", () => choose(n));
  const sizes = new ResizeObserver(redraw);
  sizes.observe(parts.flow);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", redraw);
  const end = () => {
    sizes.disconnect();
    dark.removeEventListener("change", redraw);
  };
  choose(first);
  const bounds = () => held?.bounds ?? null;
  return { choose, bounds, fill, refine, move, setLog, zoom, pan, state, draw, redraw, end, parts };
}

// ---- The page around it ----------------------------------------------------------------------

function stroke(pen, x0, y0, x1, y1) {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}

function make(tag, parent, { text, ...attributes } = {}) {
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) el.setAttribute(name, value);
  if (text !== undefined) el.textContent = text;
  parent.append(el);
  return el;
}

function build(root, scene) {
  const el = make("div", root, { class: "dmod-ev" });
  make("h1", el, { text: scene.title });
  const bar = make("div", el, { class: "dmod-ev-bar" });
  const parts = { el };
  if (scene.places.length > 1) {
    parts.select = make("select", bar, { "aria-label": "place" });
    for (const [n, place] of scene.places.entries()) make("option", parts.select, { value: n, text: placeName(place) });
  }
  parts.series = ["observed", ...scene.runs].map((name, n) => {
    const button = make("button", bar, { type: "button", class: "dmod-ev-series", "aria-pressed": "true", "data-run": n - 1 });
    const swatch = make("span", button, { class: "dmod-ev-swatch", "aria-hidden": "true" });
    swatch.style.background = n ? `var(--run-${(n - 1) % 6})` : "var(--ink)";
    make("span", button, { text: name });
    return button;
  });
  make("span", bar, { class: "dmod-ev-space" });
  parts.log = make("button", bar, { type: "button", class: "dmod-ev-log", "aria-pressed": "false", text: "log" });
  parts.nearer = make("button", bar, { type: "button", "aria-label": "zoom in", text: "+" });
  parts.farther = make("button", bar, { type: "button", "aria-label": "zoom out", text: "−" });
  parts.all = make("button", bar, { type: "button", text: "whole" });
  const panels = make("div", el, { class: "dmod-ev-panels" });
  const left = make("div", panels);
  parts.flow = make("canvas", left, { class: "dmod-ev-flow", tabindex: 0, role: "img", "aria-label": scene.label });
  parts.whole = make("canvas", left, { class: "dmod-ev-whole", role: "img", "aria-label": "The whole period, and the part that is shown" });
  parts.read = make("div", left, { class: "dmod-ev-read", role: "status" });
  const side = make("div", panels, { class: "dmod-ev-side" });
  parts.duration = make("canvas", side, { role: "img", "aria-label": "Flow duration curves" });
  parts.scatter = make("canvas", side, { role: "img", "aria-label": "Simulated against observed flow" });
  parts.runs = make("div", el, { class: "dmod-ev-tables" });
  if (scene.places.length > 1) listPlaces(parts, scene, make("div", el, { class: "dmod-ev-tables" }));
  if (scene.notes.length) make("p", el, { class: "dmod-ev-notes", text: scene.notes.join(". ") + "." });
  return parts;
}

/** A gage by its number and its place. */
function placeName({ label, gage }) {
  return gage && gage !== label ? `${gage} (${label})` : label;
}

function heads(table, scene, first) {
  const row = make("tr", make("thead", table));
  make("th", row, { scope: "col", text: first });
  for (const metric of scene.metrics) make("th", row, { scope: "col", title: metric.title, text: metric.name });
  return make("tbody", table);
}

function cells(row, scores) {
  for (const [text, background, ink] of scores) {
    const cell = make("td", row, { text });
    if (background) Object.assign(cell.style, { background, color: ink });
  }
}

/** The scores of each run at a place. */
function listRuns(parts, scene, place, runColour) {
  parts.runs.textContent = "";
  const table = make("table", parts.runs);
  make("caption", table, { text: place.label ? `Scores at ${placeName(place)}` : "Scores" });
  const body = heads(table, scene, "run");
  for (const [n, name] of scene.runs.entries()) {
    const row = make("tr", body);
    make("th", row, { scope: "row", text: name }).style.color = runColour(n);
    cells(row, place.scores[n]);
  }
}

/** The scores of the first run at each place, to choose one from. */
function listPlaces(parts, scene, parent) {
  const table = make("table", parent);
  make("caption", table, { text: `${scene.places.length} places, ${scene.runs[0]}; choose one` });
  const body = heads(table, scene, "place");
  parts.picks = [];
  parts.rows = scene.places.map((place) => {
    const row = make("tr", body);
    parts.picks.push(make("button", make("th", row, { scope: "row" }), { type: "button", text: placeName(place) }));
    cells(row, place.scores[0]);
    return row;
  });
}
