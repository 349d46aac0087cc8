from augury import Cache

cache: Cache[str, int] = Cache(10)
cache[1] = 1  # error: index
