// Why one key is in the cache or not.

import { Bars } from "../charts/bars.js";
import { badge, h, tell, terms } from "../dom.js";
import { count, decimal, duration, percent, signed } from "../format.js";

const shownAs = (key) => (typeof key === "string" ? key : JSON.stringify(key));

export default {
  title: "Look up a key",
  about: "Why it is in the cache or not. Asking leaves no trace in the cache.",
  width: "full",
  of: ({ cache }) => cache,
  missing: ["There is no cache to ask."],
  build(body, { ask, place }) {
    let cacheName = null;
    const input = h("input", { id: "key", type: "search", autocomplete: "off", spellcheck: "false",
      placeholder: "user:42", required: true });
    const form = h("form", { class: "lookup", role: "search" },
      h("label", { for: "key", class: "unseen" }, "Key"), input,
      h("button", { type: "submit", class: "primary" }, "Explain"));
    const said = h("div", { class: "explanation", "aria-live": "polite" });
    body.append(form, said);

    async function look(key) {
      const path = `v1/caches/${encodeURIComponent(cacheName)}/explain?key=${encodeURIComponent(key)}`;
      try {
        said.replaceChildren(...told(await ask(path)));
      } catch (error) {
        said.replaceChildren(h("p", { class: "refusal" }, error.message));
      }
    }
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      place.set("key", input.value);
      look(input.value);
    });
    return ({ name }) => {
      if (name === cacheName) return;
      cacheName = name;
      said.replaceChildren();
      input.value = place.get("key") ?? input.value; // which may be half typed
      if (input.value) look(input.value);
    };
  },
};

function told(key) {
  const [list, tellTerms] = terms("Weight", "Expires in", "Expected in", "Entries stay",
    "Chance in time", "Next to leave");
  tellTerms(count(key.weight), key.resident && key.expires_in === null ? "never" : duration(key.expires_in),
    key.next_access === null ? "–" : `${count(key.next_access)} requests`,
    key.stays === null ? "–" : `${count(key.stays)} requests`, percent(key.probability),
    key.next_victim === null ? "–" : shownAs(key.next_victim));
  const bars = new Bars();
  const adding = key.influences.filter(({ contribution }) => contribution !== null);
  const most = Math.max(...adding.map(({ contribution }) => Math.abs(contribution)), 1e-9);
  bars.draw(adding.slice(0, 8).map(({ feature, value, unit, contribution }) => ({
    name: feature, title: `${feature}: ${decimal(value)} ${unit}`, negative: contribution < 0,
    share: Math.abs(contribution) / most,
    text: signed(contribution, 2),
  })));
  const heading = h("p", { class: "key-name" });
  tell(heading, shownAs(key.key));
  const state = badge(key.resident, key.resident ? "in the cache" : "not in the cache");
  return [
    h("div", {}, heading, state, h("p", { class: "reason" }, key.reason), list),
    adding.length ? h("div", {}, h("h4", {}, "Why then: octaves of the expected time (− sooner, + later)"), bars.element) : "",
  ];
}
