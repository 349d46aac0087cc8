from augury import Cache


def told(key: str) -> None: ...


cache: Cache[str, int] = Cache(10, on_evict=told)  # error: arg-type
