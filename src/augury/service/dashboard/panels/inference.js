// What models did not have to compute, in milliseconds.

import { Stack } from "../charts/bars.js";
import { h, tell, terms } from "../dom.js";
import { count, milliseconds, percent } from "../format.js";
import { Each } from "../panel.js";

const ADVICE = ["No model's outputs are cached. Wrap a model, and observe it:",
  'cached = augury.CachedModel(model, cache)\nobserver.add("scores", cached)'];

function model(first) {
  const saved = h("p", { class: "figure-large" });
  const stack = new Stack();
  const [list, tellTerms] = terms("Hit ratio", "In the model", "In the cache", "A computed row");
  const element = h("article", {}, h("h4", {}, first.name), saved,
    h("p", { class: "note" }, "saved, at the mean time of a computed row"), stack.element, list);
  return [element, (view) => {
    tell(saved, milliseconds(view.saved_seconds));
    stack.draw([["hits", view.hits], ["duplicates", view.duplicates], ["computed", view.computed]].map(
      ([name, value]) => ({ name, value, text: count(value) })));
    tellTerms(percent(view.hit_ratio), milliseconds(view.model_seconds), milliseconds(view.cache_seconds),
      milliseconds(view.computed ? view.model_seconds / view.computed : null));
  }];
}

export default {
  title: "Inference",
  about: "Rows that models did not have to compute.",
  width: "narrow",
  of: ({ snapshot }) => (snapshot.models.length ? snapshot.models : null),
  missing: ADVICE,
  build(body) {
    const each = new Each(body, model);
    return (views) => each.draw(views);
  },
};
