// What help() says about the methods of augury.Cache. The examples run as doctests.
#pragma once

namespace augury {

inline constexpr char kGetDoc[] =
    R"(get($self, key, default=None, /)
--

Return the value of a key, or `default` if the key is not there.

The policy takes note of the request, and it counts as a hit or a miss.

Examples
--------
>>> cache = Cache(10)
>>> cache["a"] = 1
>>> cache.get("a"), cache.get("b"), cache.get("b", 0)
(1, None, 0))";

inline constexpr char kPeekDoc[] =
    R"(peek($self, key, default=None, /)
--

Return the value of a key, or `default`, and leave no trace of it.

Neither the policy nor the statistics take note.

Examples
--------
>>> cache = Cache(10)
>>> cache["a"] = 1
>>> cache.peek("a"), cache.stats().hits
(1, 0))";

inline constexpr char kSetDoc[] =
    R"(set($self, key, value, /, *, ttl=..., size=...)
--

Store a value, in place of any former one.

Parameters
----------
key
    Any hashable object.
value
    Any object.
ttl
    Time to live, from now: seconds, a timedelta, or None for no expiry. By default the cache's.
size
    Weight of the entry, from 1 to 2**62. By default what the weigher says, or 1.

Returns
-------
bool
    Whether it was stored: not if it weighs more than the whole capacity, or where it replaces a
    lighter value and the policy gives up that entry first. The former value is dropped then, for
    it is out of date.

Raises
------
ConfigurationError
    If `ttl` is not positive, or `size` not an integer from 1 to 2**62.

Examples
--------
>>> cache = Cache(10)
>>> cache.set("a", 1, ttl=60)
True
>>> cache.set("b", 2, size=11)
False)";

inline constexpr char kGetOrLoadDoc[] =
    R"(get_or_load($self, key, loader, /, *, ttl=..., size=..., negative_ttl=..., error_ttl=...)
--

Return the value of a key; if it is not there, load and store it.

However many threads ask for the key meanwhile, one calls `loader` and the others wait for its
result. If the key is written or deleted meanwhile, what was loaded is returned and not stored.

Parameters
----------
key
    What to look up.
loader
    ``loader(key)`` returns the value of a key that is not there.
ttl, size
    As of `set`.
negative_ttl
    How long a `KeyError` of the loader is remembered, and raised again without calling the loader:
    seconds, a timedelta, or None for ever. By default it is not remembered.
error_ttl
    The same for any other exception.

Raises
------
LoadCycleError
    If the loader needs its own result, directly or through other threads.
Exception
    Whatever the loader raises, in every thread that waits for it.

Examples
--------
>>> cache = Cache(10)
>>> cache.get_or_load("abc", len)
3
>>> cache["abc"]
3)";

inline constexpr char kGetManyDoc[] =
    R"(get_many($self, keys, /)
--

Return the values of those keys that are there, as a dict.

Each key counts as a request, as with `get`.

Examples
--------
>>> cache = Cache(10)
>>> cache.update(a=1, b=2)
>>> cache.get_many(["b", "c"])
{'b': 2})";

inline constexpr char kDeleteDoc[] =
    R"(delete($self, key, /)
--

Delete a key; return whether it was there.

Examples
--------
>>> cache = Cache(10)
>>> cache["a"] = 1
>>> cache.delete("a"), cache.delete("a")
(True, False))";

inline constexpr char kPopDoc[] =
    R"(pop($self, key, default=..., /)
--

Delete a key and return its value, or `default` if the key is not there.

Raises
------
KeyError
    If the key is not there and there is no `default`.

Examples
--------
>>> cache = Cache(10)
>>> cache["a"] = 1
>>> cache.pop("a"), cache.pop("a", 0)
(1, 0))";

inline constexpr char kPopitemDoc[] =
    R"(popitem($self, /)
--

Delete and return the entry that the policy gives up first, as ``(key, value)``.

Raises
------
KeyError
    If the cache is empty.

Examples
--------
>>> cache = Cache(10, policy="lru")
>>> cache.update(a=1, b=2)
>>> cache.popitem()
('a', 1))";

inline constexpr char kSetdefaultDoc[] =
    R"(setdefault($self, key, default=None, /)
--

Return the value of a key; if it is not there, store `default` and return that.

Examples
--------
>>> cache = Cache(10)
>>> cache.setdefault("a", 1), cache.setdefault("a", 2)
(1, 1))";

inline constexpr char kClearDoc[] =
    R"(clear($self, /)
--

Delete every entry, and whatever the policy remembers. The statistics stay.

Examples
--------
>>> cache = Cache(10)
>>> cache["a"] = 1
>>> cache.clear()
>>> len(cache)
0)";

inline constexpr char kResizeDoc[] =
    R"(resize($self, capacity, /)
--

Change the capacity, and evict what no longer fits.

Raises
------
ConfigurationError
    If `capacity` is not an integer from 1 to 2**62.

Examples
--------
>>> cache = Cache(10)
>>> cache.update(a=1, b=2, c=3)
>>> cache.resize(2)
>>> cache.capacity, len(cache)
(2, 2))";

inline constexpr char kUseModelDoc[] =
    R"(_use_model($self, model, told, /)
--

Let a native model decide from now on; None for none. `told` is what `model` returns then.)";

inline constexpr char kRecordRequestsDoc[] =
    R"(_record_requests($self, limit, /)
--

Write the next requests that the policy sees to memory, up to so many; forget the former ones.)";

inline constexpr char kRecordedRequestsDoc[] =
    R"(_recorded_requests($self, /)
--

Return how many requests are in memory, and how many entries there are.)";

inline constexpr char kTakeRequestsDoc[] =
    R"(_take_requests($self, /)
--

Take out the requests in memory, as numbers, weights and times, and record no more.)";

inline constexpr char kHeldDoc[] =
    R"(_held($self, slot, count, /)
--

Return numbers and weights of the entries in these slots, and the next slot; None at the end.)";

inline constexpr char kContentsDoc[] =
    R"(_contents($self, /)
--

Return the entries of one moment, who would leave first first, and what the policy has found out.

Keys, values, remaining nanoseconds (2**63 - 1: for ever), weights, hits, and bytes for `_resume`.)";

inline constexpr char kRestoreDoc[] =
    R"(_restore($self, key, value, hits, /, *, ttl, size, ticket)
--

Store an entry of another process, unless there is one; return whether it was stored.)";

inline constexpr char kLineUpDoc[] =
    R"(_line_up($self, keys, hits, /)
--

Give entries the places that they would have if they were restored in this order.)";

inline constexpr char kResumeDoc[] =
    R"(_resume($self, memory, /)
--

End a series of `_restore`: hand over what such a policy has found out, or nothing.)";

inline constexpr char kInspectDoc[] =
    R"(_inspect($self, key, /)
--

Tell what is known of a key, and leave no trace of it.)";

inline constexpr char kTtlDoc[] =
    R"(ttl($self, key, /)
--

Return the seconds that a key has left to live, or None if it does not expire.

It leaves no trace in the policy or the statistics.

Raises
------
KeyError
    If the key is not there.

Examples
--------
>>> cache = Cache(10, clock=lambda: 0.0)
>>> cache.set("a", 1, ttl=60)
True
>>> cache.ttl("a")
60.0)";

inline constexpr char kResetStatsDoc[] =
    R"(reset_stats($self, /)
--

Count anew from zero; see `stats`.)";

inline constexpr char kValidateDoc[] =
    R"(validate($self, /)
--

Recount every invariant of the cache: a test of Augury itself, in time linear in its size.

Raises
------
AssertionError
    If one is broken, naming it.)";

inline constexpr char kKeysDoc[] =
    R"(_keys($self, /)
--

Return the keys of the live entries, as a list.)";

inline constexpr char kAllKeysDoc[] =
    R"(_all_keys($self, /)
--

Return the keys of live entries and remembered failures, as a list.)";

inline constexpr char kValuesDoc[] =
    R"(_values($self, /)
--

Return the values of the live entries, as a list.)";

inline constexpr char kItemsDoc[] =
    R"(_items($self, /)
--

Return the live entries, as a list of pairs.)";

inline constexpr char kFailureDoc[] =
    R"(_failure($self, key, /)
--

Return the `Failure` remembered for a key, or None.)";

inline constexpr char kStatisticsDoc[] =
    R"(_statistics($self, /)
--

Return the counts in the order of `augury.Stats`, the time in ns.)";

inline constexpr char kCountLoadDoc[] =
    R"(_count_load($self, ns, succeeded, key, /)
--

Count and record a load that has ended.)";

inline constexpr char kStoreLoadedDoc[] =
    R"(_store_loaded($self, key, value, ticket, /, *, ttl=..., size=...)
--

Do what `set` does, unless a write has revoked the ticket.)";

inline constexpr char kPrefetchBeginDoc[] =
    R"(_prefetch_begin($self, keys, predictors, most, share, precision, queue, wake, /)
--

Begin to predict what to fetch; return False if somebody does so already.)";

inline constexpr char kPrefetchEndDoc[] =
    R"(_prefetch_end($self, /)
--

Predict no more.)";

inline constexpr char kPrefetchWaitDoc[] =
    R"(_prefetch_wait($self, for_wanted, /)
--

Ask to be woken once, by a key to fetch or by the end; return False if there is a key already.)";

inline constexpr char kPrefetchTakeDoc[] =
    R"(_prefetch_take($self, most, /)
--

Return a new batch and the keys to fetch in it, the oldest first.)";

inline constexpr char kPrefetchStoreDoc[] =
    R"(_prefetch_store($self, batch, key, value, /, *, ttl=...)
--

Store what was fetched, unless its key was written since it was predicted, or is there.)";

inline constexpr char kPrefetchFinishDoc[] =
    R"(_prefetch_finish($self, batch, answered, /)
--

End a batch; of its keys, those not stored are not under way any more.)";

inline constexpr char kPrefetchPauseDoc[] =
    R"(_prefetch_pause($self, paused, /)
--

Want nothing, and drop what waits, or go on.)";

inline constexpr char kPrefetchRenewDoc[] =
    R"(_prefetch_renew($self, wake, /)
--

Forget what is under way, in a forked child, and be woken in another way.)";

inline constexpr char kPrefetchCountsDoc[] =
    R"(_prefetch_counts($self, /)
--

Return what came of it; nothing if nobody fetches ahead.)";

inline constexpr char kObserveReadsDoc[] =
    R"(_observe_reads($self, most, share, /)
--

Note reads of a share of the keys, up to so many until they are taken; with 0, note none. Return
False if somebody observes already.)";

inline constexpr char kTakeReadsDoc[] =
    R"(_take_reads($self, /)
--

Return the reads noted, and note others: hashes of keys, the lowest bit telling which hit.)";

inline constexpr char kRulingDoc[] =
    R"(_ruling($self, /)
--

Return who decides now, and the hit ratios of late of all who might; both may be empty.)";

inline constexpr char kSizeofDoc[] =
    R"(__sizeof__($self, /)
--

Return the memory held in bytes, without that of keys and values.)";

}  // namespace augury
