"""A region of dogpile.cache that Augury keeps.

python examples/dogpile_region.py
"""

from dogpile.cache import make_region

import augury.integrations.dogpile  # noqa: F401 - makes the backend known

region = make_region().configure("augury", expiration_time=60, arguments={"capacity": 1_000})
asked = []


@region.cache_on_arguments()
def user(number: int) -> dict[str, int]:
    """Ask a slow service."""
    asked.append(number)
    return {"id": number}


if __name__ == "__main__":
    print(user(1), user(1), user(2), "asked for", asked)
    user.invalidate(1)
    print(user(1), "asked for", asked)
