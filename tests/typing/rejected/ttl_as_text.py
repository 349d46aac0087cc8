from augury import Cache

cache: Cache[str, int] = Cache(10)
cache.set("a", 1, ttl="60")  # error: arg-type
