from augury import Cache

cache: Cache[list[int], int] = Cache(10)  # error: type-var
