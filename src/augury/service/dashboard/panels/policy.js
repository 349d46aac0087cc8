// Who decides at present, why, and what the others would reach.

import { Bars } from "../charts/bars.js";
import { h, tell } from "../dom.js";
import { percent } from "../format.js";

export default {
  title: "Policy",
  about: "What rules now, and the hit ratio expected of each candidate.",
  width: "narrow",
  of: ({ cache }) => cache.policy,
  missing: ["Nothing is known of the policy."],
  build(body) {
    const ruling = h("p", { class: "figure-large" });
    const made = h("p", { class: "note" });
    const reason = h("p", { class: "reason" });
    const alone = h("p", { class: "missing" },
      "This policy has no candidates: it never changes. Make the cache with ",
      h("code", {}, 'policy="auto"'), " to let it choose.");
    const bars = new Bars();
    body.append(ruling, made, reason, bars.element, alone);
    return (policy) => {
      const candidates = Object.entries(policy.candidates).sort(([, a], [, b]) => b - a);
      tell(ruling, policy.ruling);
      tell(made, policy.ruling === policy.policy ? "as the cache was made" : `within ${policy.policy}`);
      tell(reason, policy.reason);
      alone.hidden = candidates.length > 0 || policy.policy === "auto";
      bars.element.hidden = candidates.length === 0;
      bars.draw(candidates.map(([name, share]) =>
        ({ name, share, text: percent(share), strong: name === policy.ruling })));
    };
  },
};
