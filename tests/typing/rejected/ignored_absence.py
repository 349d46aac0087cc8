from augury import Cache

cache: Cache[str, int] = Cache(10)
number: int = cache.get("a")  # error: assignment
