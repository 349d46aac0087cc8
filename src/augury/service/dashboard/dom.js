// Elements made of names, attributes and children. Text only ever becomes text nodes: keys and
// names come from strangers, and nothing that the service tells is read as HTML.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false)
      element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Return an HTML element; a function among the attributes listens to the event of that name. */
export function h(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** Return an SVG element. */
export function s(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

/** Set an element's text, if it is another one: what does not change is not painted again. */
export function tell(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Return a list of terms and what they are, and what to call with the next figures. */
export function terms(...names) {
  const values = names.map((name) => [h("dt", {}, name), h("dd")]);
  const list = h("dl", { class: "terms" }, ...values.map((pair) => h("div", {}, ...pair)));
  return [list, (...texts) => values.forEach(([, dd], at) => tell(dd, texts[at]))];
}

/** Return a word with a sign before it, so that colour is never all that tells. */
export function badge(good, word) {
  return h("span", { class: "badge", "data-good": String(good) }, word);
}

/** Return a table that is filled when it is opened: what is read must not change under the reader. */
export function numbers(title, columns, rows) {
  const body = h("tbody");
  const head = h("tr", {}, ...columns.map((name) => h("th", { scope: "col" }, name)));
  const table = h("table", {}, h("caption", {}, title), h("thead", {}, head), body);
  const scroll = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title }, table);
  const details = h("details", { class: "numbers" }, h("summary", {}, "Numbers"), scroll);
  details.addEventListener("toggle", () => {
    const cells = details.open ? rows() : [];
    body.replaceChildren(
      ...cells.map((row) => h("tr", {}, ...row.map((cell) => h("td", {}, cell)))),
    );
  });
  return details;
}
