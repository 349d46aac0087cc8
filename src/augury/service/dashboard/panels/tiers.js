// Each tier: is it there, how fast does it answer, what is in it.

import { badge, h, tell, terms } from "../dom.js";
import { bytes, count, duration } from "../format.js";
import { Each } from "../panel.js";

const ADVICE = ["No tiers are observed. Let a cache of the configuration keep its entries in several, for example:",
  '[[caches.users.tiers]]\nkind = "memory"\n\n[[caches.users.tiers]]\nkind = "redis"\nurl = "redis://127.0.0.1:6379/0"'];

function tier() {
  const name = h("h5");
  const state = h("span");
  const reason = h("p", { class: "refusal" });
  const [list, tellTerms] = terms("Hits", "Answers in", "Entries", "Size");
  const element = h("li", { class: "tier" }, h("div", { class: "tier-head" }, name, state), reason, list);
  return [element, (seen) => {
    tell(name, seen.name);
    state.replaceChildren(badge(seen.healthy, seen.healthy ? "healthy" : "down"));
    tell(reason, seen.reason ?? "");
    reason.hidden = !seen.reason;
    tellTerms(count(seen.hits), duration(seen.latency), count(seen.entries), bytes(seen.bytes));
  }];
}

function chain(first) {
  const list = h("ol", { class: "tiers" });
  const each = new Each(list, tier);
  const [sums, tellSums] = terms("Loads", "Failed", "Joined", "Refreshes", "Waiting writes");
  const faults = h("p", { class: "note" });
  const element = h("article", {}, h("h4", {}, first.name), list, sums, faults);
  return [element, (view) => {
    each.draw(view.tiers);
    tellSums(...[view.loads, view.load_failures, view.joined, view.refreshes, view.waiting].map(count));
    const told = Object.entries(view.faults).map(([fault, times]) => `${fault} ${count(times)}`);
    tell(faults, told.length ? `Faults: ${told.join(", ")}` : "No faults.");
  }];
}

export default {
  title: "Tiers",
  about: "Health, and what each holds.",
  width: "wide",
  of: ({ snapshot }) => (snapshot.tiers.length ? snapshot.tiers : null),
  missing: ADVICE,
  build(body) {
    const each = new Each(body, chain);
    return (views) => each.draw(views);
  },
};
