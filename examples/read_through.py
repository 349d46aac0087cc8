"""Rows of PostgreSQL, read through memory and Valkey; written through, too.

python examples/read_through.py postgresql+psycopg://localhost/postgres redis://localhost:6379
"""

import sys

import sqlalchemy as sa

from augury import Tiers
from augury.sources import SQL
from augury.tiers import Memory, Redis


def open_users(engine: sa.Engine, url: str) -> Tiers[int, dict[str, object]]:
    """Return users by id: near copies are dropped when another process writes."""
    return Tiers(
        [Memory(10_000), Redis(url, namespace="users")],
        source=SQL(engine, table="users", key="id", columns=["name", "city"]),
        consistency="tracked",
        ttl=3600,
        stale=60,
    )


def main() -> None:
    engine = sa.create_engine(sys.argv[1])
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE IF EXISTS users"))
        connection.execute(sa.text("CREATE TABLE users (id int PRIMARY KEY, name text, city text)"))
        connection.execute(sa.text("INSERT INTO users VALUES (1, 'Ada', 'London')"))
    with open_users(engine, sys.argv[2]) as users:
        print(users[1], users[1])
        users[2] = {"name": "Alan", "city": "Wilmslow"}
        print(users.get_many([1, 2, 3]))
        print(users.stats())


if __name__ == "__main__":
    main()
