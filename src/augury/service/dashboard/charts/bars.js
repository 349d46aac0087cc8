// Bars in HTML: one a name, or one whole of parts. The figure stands beside each, as text.

import { h, tell } from "../dom.js";

const percentOf = (share) => `${Math.max(0, Math.min(1, share || 0)) * 100}%`;

/**
 * Bars, the names in the order of the given ones.
 * Each is {name, share (of the bar's full length), text, strong, negative}.
 */
export class Bars {
  element = h("ul", { class: "bars" });

  draw(bars) {
    const items = this.element.children;
    while (items.length > bars.length) items[items.length - 1].remove();
    while (items.length < bars.length) this.element.append(this.#item());
    bars.forEach((bar, at) => {
      const [name, track, text] = items[at].children;
      tell(name, bar.name);
      name.title = bar.title ?? bar.name;
      tell(text, bar.text);
      items[at].classList.toggle("strong", Boolean(bar.strong));
      items[at].classList.toggle("negative", Boolean(bar.negative));
      track.firstChild.style.inlineSize = percentOf(bar.share);
    });
  }

  #item() {
    return h("li", {}, h("span", { class: "bar-name" }),
      h("span", { class: "track" }, h("span", { class: "fill" })), h("span", { class: "bar-text" }));
  }
}

/** One bar of parts: [{name, value, text}, …], with what each is in words below it. */
export class Stack {
  #bar = h("div", { class: "stack", "aria-hidden": "true" });
  #key = h("ul", { class: "stack-key" });
  element = h("div", {}, this.#bar, this.#key);

  draw(parts) {
    const whole = parts.reduce((sum, part) => sum + part.value, 0);
    while (this.#bar.children.length < parts.length) {
      const at = this.#bar.children.length;
      this.#bar.append(h("span", { class: `part part-${at}` }));
      this.#key.append(h("li", {}, h("span", { class: `chip part-${at}`, "aria-hidden": "true" }),
        h("span"), h("strong")));
    }
    parts.forEach((part, at) => {
      this.#bar.children[at].hidden = part.value === 0;
      this.#bar.children[at].style.inlineSize = percentOf(whole && part.value / whole);
      const [, name, text] = this.#key.children[at].children;
      tell(name, part.name);
      tell(text, part.text);
    });
  }
}

/** A bar of one share, up to the whole. */
export class Meter {
  #fill = h("span", { class: "fill" });
  element = h("span", { class: "track meter", "aria-hidden": "true" }, this.#fill);

  draw(share) {
    this.#fill.style.inlineSize = percentOf(share);
  }
}
