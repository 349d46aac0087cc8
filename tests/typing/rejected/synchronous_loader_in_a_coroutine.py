from augury import Cache

cache: Cache[str, int] = Cache(10)


async def main() -> None:
    await cache.aget_or_load("a", len)  # error: arg-type
