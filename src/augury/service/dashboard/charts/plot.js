// An x-y chart in SVG: lines, dots, a marked place, and a cursor for pointer and arrow keys.
//
// Own code and no library: five charts of at most 600 points need none, SVG takes its colours from
// the style sheet (so light, dark and forced colours come by themselves), and a test can read it.

import { h, s, tell } from "../dom.js";

const EDGE = { top: 10, right: 20, bottom: 26, left: 44 };

/** Return round numbers within [low, high], about as many as asked for. */
export function ticks(low, high, about) {
  const rough = (high - low) / Math.max(1, about);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at++)
    found.push(at * step);
  return found;
}

/** Return moments on whole seconds, minutes or hours within [low, high]. */
export function timeTicks(low, high, about) {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400];
  const step = steps.find((each) => each >= (high - low) / about) ?? 86_400;
  const found = [];
  for (let at = Math.ceil(low / step); at * step <= high; at++) found.push(at * step);
  return found;
}

/** Return powers of ten, and twice and five times these, within [low, high]. */
export function logTicks(low, high, about) {
  const fine = Math.log10(high / low) * 3 <= about ? [1, 2, 5] : [1];
  const found = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++)
    found.push(...fine.map((each) => each * 10 ** power));
  const within = found.filter((each) => each >= low && each <= high);
  const every = Math.ceil(within.length / about);
  return within.filter((_, at) => at % every === 0);
}

/**
 * A chart. `draw` takes
 *   series  [{name, kind: "line" | "dots", area, points: [[x, y | null, weight], …]}, …]
 *   x, y    {range: [low, high], ticks: [...], format, log}
 *   marks   [{x, y, name}, …]
 *   read    (x) => what is told of the place under the cursor; without it there is no cursor
 */
export class Plot {
  #model = null;
  #width = 0;
  #cursor = null;
  #height;
  #drawing = s("svg", { "aria-hidden": "true" });

  /** @param name of the chart @param places what a step of the cursor is @param height in pixels */
  constructor(name, places = null, height = 220) {
    this.#height = height;
    this.#drawing.setAttribute("height", height);
    this.reading = h("p", { class: "reading" });
    this.frame = h("div", { class: "plot" }, this.#drawing);
    this.element = h("div", { class: "figure" }, this.reading, this.frame);
    this.#name(name, places);
    new ResizeObserver(([entry]) => {
      this.#width = Math.floor(entry.contentRect.width);
      this.#redraw();
    }).observe(this.frame);
  }

  draw(model) {
    this.#model = model;
    this.#redraw();
  }

  #name(name, places) {
    const set = (attributes) =>
      Object.entries(attributes).forEach(([key, value]) => this.frame.setAttribute(key, value));
    if (!places) return set({ role: "img", "aria-label": name });
    set({ role: "slider", tabindex: "0", "aria-label": `${name}: ${places}`, "aria-valuenow": "0" });
    this.frame.addEventListener("keydown", (event) => this.#key(event));
    this.frame.addEventListener("pointermove", (event) => this.#point(event));
    for (const end of ["pointerleave", "blur"])
      this.frame.addEventListener(end, () => this.#move(null));
  }

  #xs() {
    return this.#model.series[0].points.map(([x]) => x);
  }

  #key(event) {
    if (!this.#model) return;
    const xs = this.#xs();
    const last = xs.length - 1;
    const at = this.#cursor === null ? last : this.#nearest(xs, this.#cursor);
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10 };
    if (event.key === "Escape") return this.#move(null);
    const to = event.key === "Home" ? 0 : event.key === "End" ? last : at + steps[event.key];
    if (Number.isNaN(to)) return;
    event.preventDefault();
    this.#move(xs[Math.min(last, Math.max(0, to))]);
  }

  #point(event) {
    if (!this.#model) return;
    const xs = this.#xs();
    const left = event.clientX - this.frame.getBoundingClientRect().left;
    const far = xs.map((x) => Math.abs(this.#x(x) - left));
    this.#move(xs[far.indexOf(Math.min(...far))]);
  }

  #nearest(xs, x) {
    const far = xs.map((each) => Math.abs(each - x));
    return far.indexOf(Math.min(...far));
  }

  #move(x) {
    this.#cursor = x ?? null;
    this.#redraw();
  }

  #x(value) {
    const { range, log } = this.#model.x;
    const [low, high, at] = log ? [...range, value].map(Math.log) : [...range, value];
    const share = high > low ? (at - low) / (high - low) : 0.5;
    return EDGE.left + share * (this.#width - EDGE.left - EDGE.right);
  }

  #y(value) {
    const [low, high] = this.#model.y.range;
    return this.#height - EDGE.bottom - ((value - low) / (high - low)) * (this.#height - EDGE.top - EDGE.bottom);
  }

  #redraw() {
    if (!this.#model || this.#width < 80) return;
    this.#drawing.setAttribute("width", this.#width);
    this.#drawing.replaceChildren(...this.#axes(), ...this.#model.series.flatMap(
      (series, at) => (series.kind === "dots" ? this.#dots(series, at) : this.#line(series, at))),
      ...(this.#model.marks ?? []).flatMap((mark) => this.#mark(mark)));
    this.#read();
  }

  #axes() {
    const { x, y } = this.#model;
    const floor = this.#height - EDGE.bottom;
    const right = this.#width - EDGE.right;
    return [
      ...y.ticks.flatMap((value) => [
        s("line", { class: "rule", x1: EDGE.left, x2: right, y1: this.#y(value), y2: this.#y(value) }),
        s("text", { class: "tick y", x: EDGE.left - 8, y: this.#y(value) + 4 }, y.format(value)),
      ]),
      ...x.ticks(x.range, this.#width / 90).map((value) =>
        s("text", { class: "tick x", x: this.#x(value), y: floor + 18 }, x.format(value))),
    ];
  }

  #line({ points, area }, at) {
    // A gap where nothing is known; a place between two gaps is a dot, as the line's ends are round.
    let path = "";
    let open = false;
    for (const [x, y] of points) {
      if (y === null) open = false;
      else {
        path += open ? `L${this.#x(x).toFixed(1)} ${this.#y(y).toFixed(1)}`
          : `M${this.#x(x).toFixed(1)} ${this.#y(y).toFixed(1)}h0`;
        open = true;
      }
    }
    const line = s("path", { class: `line series-${at}`, d: path });
    if (!area || points.some(([, y]) => y === null) || points.length < 2) return [line];
    const floor = this.#height - EDGE.bottom;
    const below = `${path}L${this.#x(points.at(-1)[0])} ${floor}L${this.#x(points[0][0])} ${floor}Z`;
    return [s("path", { class: `area series-${at}`, d: below }), line];
  }

  #dots({ points }, at) {
    const most = Math.max(1, ...points.map(([, , weight]) => weight));
    return points.map(([x, y, weight]) =>
      s("circle", { class: `dot series-${at}`, cx: this.#x(x), cy: this.#y(y),
        r: 3 + 7 * Math.sqrt(weight / most) }));
  }

  #mark({ x, y, name }) {
    const left = this.#x(x);
    const turned = left > this.#width - 130;
    return [
      s("line", { class: "mark", x1: left, x2: left, y1: EDGE.top, y2: this.#height - EDGE.bottom }),
      s("text", { class: `mark-name${turned ? " turned" : ""}`, x: left + (turned ? -8 : 8),
        y: EDGE.top + 10 }, name),
      ...(y === null ? [] : [s("circle", { class: "mark-dot", cx: left, cy: this.#y(y), r: 5 })]),
    ];
  }

  #read() {
    const { read } = this.#model;
    if (!read) return;
    const xs = this.#xs();
    const at = this.#cursor === null ? xs.length - 1 : this.#nearest(xs, this.#cursor);
    if (this.#cursor !== null)
      this.#drawing.append(s("line", { class: "cursor", x1: this.#x(xs[at]), x2: this.#x(xs[at]),
        y1: EDGE.top, y2: this.#height - EDGE.bottom }));
    const { parts, text } = read(at, this.#cursor !== null);
    this.reading.replaceChildren(...parts);
    this.frame.setAttribute("aria-valuemax", Math.max(0, xs.length - 1));
    this.frame.setAttribute("aria-valuenow", at);
    this.frame.setAttribute("aria-valuetext", text);
  }
}

/** Return a name with the stroke of its series before it, and its value. */
export function legend(at, name, value) {
  const stroke = s("svg", { class: "swatch", width: 18, height: 8, "aria-hidden": "true" },
    s("path", { class: `line series-${at}`, d: "M1 4h16" }));
  const told = h("strong");
  tell(told, value);
  return h("span", { class: "legend" }, stroke, `${name} `, told);
}
