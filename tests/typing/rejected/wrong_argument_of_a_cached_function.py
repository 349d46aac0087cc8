from augury import cached


@cached
def function(x: int) -> int:
    return x


function("a")  # error: arg-type
