from augury import cached


class Service:
    @cached(10)
    def method(self, x: int) -> int:
        return x


Service().method()  # error: call-arg
