from augury import cached


@cached(10, tll=3)  # error: call-overload
def function(x: int) -> int:
    return x
