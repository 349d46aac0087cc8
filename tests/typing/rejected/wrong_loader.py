from augury import Cache

cache: Cache[str, int] = Cache(10)
cache.get_or_load("a", str)  # error: arg-type
