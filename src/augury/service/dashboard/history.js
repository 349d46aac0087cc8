// The history of a cache: rows of [at, requests, hit_ratio, lru, optimum], the oldest first.

export const [AT, REQUESTS, HIT_RATIO, LRU, OPTIMUM] = [0, 1, 2, 3, 4];
const COLUMN = { lru: LRU, optimum: OPTIMUM };

/** Return the last interval's hit ratio, and its reads a second; null is not known. */
export function latest(history) {
  const last = history.at(-1);
  const before = history.at(-2);
  if (!last) return { hit_ratio: null, rate: null };
  const seconds = before ? last[AT] - before[AT] : null;
  return { hit_ratio: last[HIT_RATIO], rate: seconds > 0 ? last[REQUESTS] / seconds : null };
}

/** Return the hit ratio less that of the other, over the intervals that know both. */
export function over(history, other) {
  let reads = 0;
  let gained = 0;
  for (const row of history) {
    const theirs = row[COLUMN[other]];
    if (row[HIT_RATIO] === null || theirs === null) continue;
    reads += row[REQUESTS];
    gained += row[REQUESTS] * (row[HIT_RATIO] - theirs);
  }
  return reads ? gained / reads : null;
}
