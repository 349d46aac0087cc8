from augury import Cache

cache: Cache[str, int] = Cache(10, size=3)  # error: call-arg
