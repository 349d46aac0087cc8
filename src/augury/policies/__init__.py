"""Names and parameters of the eviction policies; the policies themselves are native.

A policy is written as its name, with parameters in brackets where they differ from the standard:
``"lru"``, ``"s3fifo(small=0.2)"``.

Examples
--------
>>> from augury import policies
>>> policies.parse("fifo")
Policy(name='fifo', parameters={})
>>> policies.describe("lru").title
'LRU'
"""

from augury.policies.catalogue import Description, Parameter, describe, names
from augury.policies.spec import Policy, check_learns, check_seed, parse, split

__all__ = [
    "Description",
    "Parameter",
    "Policy",
    "check_learns",
    "check_seed",
    "describe",
    "names",
    "parse",
    "split",
]
