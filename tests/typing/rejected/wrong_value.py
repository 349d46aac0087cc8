from augury import Cache

cache: Cache[str, int] = Cache(10)
cache["a"] = "b"  # error: assignment
