// A panel: a card with a title, what it is about, and either figures or what to do to get some.
//
// A file of panels/ exports one: {title, about, width, of, missing, build}. `of` picks its data out
// of {snapshot, cache}, or returns null while there are none; `missing` then says what to do: a
// sentence, and code where that helps. `build` puts elements into the body once, and returns what
// draws data into them.

import { h } from "./dom.js";

/** Return a function that shows {snapshot, cache} in a panel that it adds to `grid`. */
export function mount(panel, grid, tools) {
  const id = `panel-${panel.title.toLowerCase().replaceAll(/\W+/g, "-")}`;
  const body = h("div", { class: "body", hidden: true });
  const [sentence, code] = panel.missing;
  const missing = h("div", { class: "missing" }, h("p", {}, sentence),
    code ? h("pre", {}, h("code", {}, code)) : null);
  grid.append(h("section", { class: `card ${panel.width}`, "aria-labelledby": id },
    h("h3", { id }, panel.title), panel.about ? h("p", { class: "about" }, panel.about) : null,
    missing, body));
  const draw = panel.build(body, tools);
  return (context) => {
    const data = panel.of(context);
    body.hidden = data === null;
    missing.hidden = data !== null;
    if (data !== null) draw(data, context);
  };
}

/** Fill a list with one element a record, kept by name: `make(record)` returns [element, draw]. */
export class Each {
  #kept = new Map();

  constructor(list, make) {
    this.list = list;
    this.make = make;
  }

  draw(records, nameOf = (record) => record.name) {
    const names = new Set(records.map(nameOf));
    for (const [name, [element]] of this.#kept)
      if (!names.has(name)) {
        element.remove();
        this.#kept.delete(name);
      }
    for (const record of records) {
      const name = nameOf(record);
      if (!this.#kept.has(name)) {
        this.#kept.set(name, this.make(record));
        this.list.append(this.#kept.get(name)[0]);
      }
      this.#kept.get(name)[1](record);
    }
  }
}
