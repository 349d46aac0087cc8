from augury import Cache

cache: Cache[str, int] = Cache(10)
cache.set("a", "b")  # error: arg-type
