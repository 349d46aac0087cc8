// A cache at a glance.

import { Meter } from "../charts/bars.js";
import { h, tell } from "../dom.js";
import { compact, count, decimal, duration, percent, signed } from "../format.js";
import { latest, over } from "../history.js";

function tile(grid, name) {
  const value = h("dd", { class: "figure-large" });
  const note = h("dd", { class: "note" });
  grid.append(h("div", { class: "tile" }, h("dt", {}, name), value, note));
  return (text, detail) => {
    tell(value, text);
    tell(note, detail);
  };
}

export default {
  title: "At a glance",
  width: "full",
  of: ({ cache }) => cache,
  missing: ["Nothing is known of this cache yet."],
  build(body) {
    const list = h("dl", { class: "tiles" });
    body.append(list);
    const ratio = tile(list, "Hit ratio");
    const lru = tile(list, "Against LRU");
    const rate = tile(list, "Reads");
    const saved = tile(list, "Time saved");
    const fill = tile(list, "Filled");
    const moved = tile(list, "Evictions");
    const meter = new Meter();
    list.children[4].append(h("dd", {}, meter.element));
    return (cache) => {
      const now = latest(cache.history);
      const gain = over(cache.history, "lru");
      const room = over(cache.history, "optimum");
      ratio(percent(cache.hit_ratio), `now ${percent(now.hit_ratio)}`);
      lru(gain === null ? "–" : `${signed(100 * gain, 1)} pts`, room === null ? "optimum not known yet"
        : `${decimal(Math.abs(100 * room), 1)} pts ${room > 0 ? "above" : "below"} the optimum`);
      rate(now.rate === null ? "–" : `${compact(now.rate)}/s`, `${count(cache.hits)} hits, ${count(cache.misses)} misses`);
      saved(duration(cache.saved_seconds), `${count(cache.loads)} loads, ${duration(
        cache.loads ? cache.load_seconds / cache.loads : null)} each`);
      fill(percent(cache.weight / cache.capacity), `${count(cache.weight)} of ${count(cache.capacity)}`);
      meter.draw(cache.weight / cache.capacity);
      moved(count(cache.evictions), `${count(cache.expirations)} expired, ${count(cache.entries)} entries`);
    };
  },
};
