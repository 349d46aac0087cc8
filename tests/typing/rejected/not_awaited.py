from augury import cached


@cached(10)
async def function(x: int) -> int:
    return x


async def main() -> None:
    print(function(1) + 1)  # error: operator
