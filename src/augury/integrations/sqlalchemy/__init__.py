"""A cache of query results for SQLAlchemy's ORM, which knows when their tables change."""

from augury.integrations.sqlalchemy.cache import QueryCache

__all__ = ["QueryCache"]
