// Where answers come from, and whether the inferred ones keep their promise.

import { Stack } from "../charts/bars.js";
import { h, terms } from "../dom.js";
import { count, percent } from "../format.js";
import { Each } from "../panel.js";

const ADVICE = ["No query is answered. Register one in the configuration, for example:",
  '[answers.sales]\ndatabase = "postgresql+psycopg://127.0.0.1/shop"\n\n[answers.sales.queries.revenue]\n'
  + 'sql = "SELECT sum(price) FROM orders WHERE month = :month"\nparameters = { month = "int" }\ntolerance = "5%"'];
const ORIGINS = [["cache", "cache"], ["rollup", "roll-up"], ["inferred", "inferred"], ["database", "database"]];

function query(first) {
  const stack = new Stack();
  const [list, tellTerms] = terms("Coverage", "Median error", "Audited", "Examples", "Model");
  const element = h("li", { class: "query" }, h("h5", {}, first.query), stack.element, list);
  return [element, ({ origins, ...view }) => {
    const whole = Object.values(origins).reduce((sum, each) => sum + each, 0);
    stack.draw(ORIGINS.map(([origin, name]) => {
      const value = origins[origin] ?? 0;
      return { name, value, text: `${count(value)} (${percent(whole ? value / whole : null)})` };
    }));
    tellTerms(percent(view.coverage), percent(view.error), count(view.audits), count(view.examples),
      view.model ?? "none yet");
  }];
}

function answers(first) {
  const list = h("ul", { class: "queries" });
  const each = new Each(list, query);
  return [h("article", {}, h("h4", {}, first.name), list),
    (view) => each.draw(view.queries, (record) => record.query)];
}

export default {
  title: "Answers",
  about: "Coverage: share of audited answers whose interval held the true one.",
  width: "wide",
  of: ({ snapshot }) => (snapshot.answers.length ? snapshot.answers : null),
  missing: ADVICE,
  build(body) {
    const each = new Each(body, answers);
    return (views) => each.draw(views);
  },
};
