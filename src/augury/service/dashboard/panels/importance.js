// What the model has learned: which features decide.

import { Bars } from "../charts/bars.js";
import { h, tell } from "../dom.js";
import { count, moment, percent } from "../format.js";

const SHOWN = 10;
const ADVICE = ["No model decides here. With this policy a cache trains one on its own reads:",
  '[caches.users]\npolicy = "learned"'];

export default {
  title: "What the model learned",
  about: "Share of each feature in its decisions.",
  width: "narrow",
  of: ({ cache }) => cache.model,
  missing: ADVICE,
  build(body) {
    const kind = h("p", { class: "reason" });
    const bars = new Bars();
    const rest = h("p", { class: "note" });
    const none = h("p", { class: "missing" }, "Its file keeps nothing to tell importance by.");
    body.append(kind, bars.element, rest, none);
    return (model) => {
      const features = Object.entries(model.importance);
      const most = Math.max(...features.map(([, share]) => share), 1e-9);
      const told = [model.kind ?? "No model is in use yet: the cache still learns"];
      if (model.version !== null) told.push(`version ${count(model.version)}`);
      if (model.trained_at !== null) told.push(`trained ${moment(model.trained_at)}`);
      tell(kind, told.join(" · "));
      none.hidden = features.length > 0 || model.kind === null;
      bars.draw(features.slice(0, SHOWN).map(([name, share]) =>
        ({ name, share: share / most, text: percent(share) })));
      const left = features.slice(SHOWN);
      tell(rest, left.length ? `${left.length} more features: ${percent(
        left.reduce((sum, [, share]) => sum + share, 0))}` : "");
    };
  },
};
