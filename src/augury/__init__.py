"""A key-value cache that infers: what to keep, what to fetch next, and what the answer will be."""

from augury.errors import AuguryError

__all__ = ["AuguryError"]
