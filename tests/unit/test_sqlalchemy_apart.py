"""No query is answered with what another database, tenant or transaction has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")

from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    event,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session, registry, sessionmaker

import augury
from augury.integrations.sqlalchemy import QueryCache
from tests.unit.films import Base, Director, Film, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as made:
        yield made


def rename(engine: Engine, title: str) -> None:
    with engine.begin() as connection:
        connection.execute(update(Film).where(Film.id == 1).values(title=title))


def test_two_databases_share_a_cache(world: World, tmp_path: Path) -> None:
    other = create_engine(f"sqlite:///{tmp_path}/other.db")
    Base.metadata.create_all(other)
    sessions = sessionmaker(other)
    with QueryCache(world.cache, other, sessions=sessions) as queries, sessions() as session:
        assert world.titles() == ["M", "Sunrise"]
        assert list(session.scalars(queries.cached(select(Film.title).order_by(Film.id)))) == []
    other.dispose()


def test_what_a_closed_one_has_kept_is_not_served(world: World) -> None:
    assert world.titles() == ["M", "Sunrise"]
    world.queries.close()
    rename(world.engine, "unheard")
    world.queries = QueryCache(world.cache, world.engine)
    assert world.titles() == ["unheard", "Sunrise"]


def test_two_caches_of_one_engine(world: World) -> None:
    sessions = sessionmaker(world.engine)
    for _ in range(3):
        rename(world.engine, "M")  # the second one counts from here on
    with QueryCache(augury.Cache(100), world.engine, sessions=sessions) as queries:
        statement = queries.cached(select(Film.title).order_by(Film.id))

        def read() -> list[str]:
            with sessions() as session:
                return list(session.scalars(statement))

        # Either is asked between what it hears of a commit and the commit.
        def at_commit(_: object) -> None:
            read()
            world.titles()

        event.listen(world.engine, "commit", at_commit)
        rename(world.engine, "new")
        event.remove(world.engine, "commit", at_commit)
        assert world.titles() == read() == ["new", "Sunrise"]


def test_the_end_of_one_leaves_the_other(world: World, tmp_path: Path) -> None:
    other = create_engine(f"sqlite:///{tmp_path}/other.db")
    QueryCache(world.cache, other).close()
    assert world.titles() == ["M", "Sunrise"]
    with Session(world.engine) as session:
        session.execute(update(Film).where(Film.id == 1).values(title="own"))
        assert world.titles(session) == ["own", "Sunrise"]
    other.dispose()


@pytest.mark.parametrize("how", ["engine", "connection", "session"])
def test_schemas_of_tenants(tmp_path: Path, how: str) -> None:
    def attach(connection: object, _: object) -> None:
        for tenant in ("a", "b"):
            connection.execute(f"ATTACH '{tmp_path}/{tenant}.db' AS {tenant}")  # type: ignore[attr-defined]

    engine = create_engine(f"sqlite:///{tmp_path}/main.db")
    event.listen(engine, "connect", attach)

    def schemas(tenant: str) -> dict[str, object]:
        return {"schema_translate_map": {None: tenant}}

    for tenant in ("a", "b"):
        with engine.connect().execution_options(**schemas(tenant)) as connection:
            Base.metadata.create_all(connection)
            connection.execute(insert(Film).values(id=1, title=f"of {tenant}"))
            connection.commit()
    queries = QueryCache(augury.Cache(100), engine)
    statement = queries.cached(select(Film.title))

    def titles(tenant: str) -> list[str]:
        if how == "engine":
            engine.update_execution_options(**schemas(tenant))
            with Session(engine) as session:
                return list(session.scalars(statement))
        if how == "connection":
            with (
                engine.connect().execution_options(**schemas(tenant)) as connection,
                Session(connection) as session,
            ):
                return list(session.scalars(statement))
        with Session(engine) as session:
            session.connection(execution_options=schemas(tenant))
            return list(session.scalars(statement))

    assert [titles(tenant) for tenant in "abab"] == [["of a"], ["of b"], ["of a"], ["of b"]]
    queries.close()
    engine.dispose()


def test_a_session_on_a_connection_sees_what_that_has_changed(world: World) -> None:
    assert world.titles() == ["M", "Sunrise"]
    with world.engine.connect() as connection:
        connection.execute(update(Film).where(Film.id == 1).values(title="own"))
        with Session(connection) as session:
            assert world.titles(session) == ["own", "Sunrise"]
        connection.rollback()
        with Session(connection) as session:
            assert world.titles(session) == ["M", "Sunrise"]


@pytest.mark.parametrize("held", [True, False])
def test_changes_that_are_committed_by_themselves(tmp_path: Path, held: bool) -> None:
    with World(tmp_path, isolation_level="AUTOCOMMIT") as world:
        assert world.titles() == ["M", "Sunrise"]
        with world.engine.connect() as connection:
            connection.execute(update(Film).where(Film.id == 1).values(title="new"))
            if held:
                assert world.titles() == ["new", "Sunrise"]
        assert world.titles() == ["new", "Sunrise"]


def test_rows_that_the_database_deletes_with_others(tmp_path: Path) -> None:
    tables = MetaData()
    studios = Table("studios", tables, Column("id", Integer, primary_key=True))
    stages = Table(
        "stages",
        tables,
        Column("id", Integer, primary_key=True),
        Column("studio", ForeignKey("studios.id", ondelete="CASCADE", onupdate="CASCADE")),
    )
    lamps = Table(
        "lamps",
        tables,
        Column("id", Integer, primary_key=True),
        Column("stage", ForeignKey("stages.id", ondelete="CASCADE")),
        Column("name", String),
    )

    class Lamp:
        pass

    registry().map_imperatively(Lamp, lamps)
    engine = create_engine(f"sqlite:///{tmp_path}/studios.db")
    event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA foreign_keys = ON"))
    tables.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(studios).values(id=1))
        connection.execute(insert(stages).values(id=1, studio=1))
        connection.execute(insert(lamps).values(id=1, stage=1, name="key"))
    with QueryCache(augury.Cache(100), engine) as queries:
        of_lamps = queries.cached(select(lamps.c.name))
        of_stages = queries.cached(select(stages.c.studio))

        def read(statement: object) -> list[object]:
            with Session(engine) as session:
                return list(session.scalars(statement))  # type: ignore[call-overload]

        assert read(of_lamps) == ["key"]
        assert read(of_stages) == [1]
        with engine.begin() as connection:
            connection.execute(update(studios).values(id=2))
        assert read(of_stages) == [2]
        with engine.begin() as connection:
            connection.execute(delete(studios))
        assert read(of_lamps) == read(of_stages) == []
    engine.dispose()


def test_what_is_changed_beside(world: World) -> None:
    # SQLite has no such statements, but what they change is read off them.
    from augury.integrations.sqlalchemy.statements import concerned

    films = update(Film).where(Film.id == 1).values(title="new").cte("films_too")
    statement = insert(Director).values(id=2, name="Murnau").add_cte(films)
    with world.engine.connect() as connection:
        compiled = statement.compile(connection)
    tables, changes = concerned(compiled, str(compiled))
    assert changes
    assert tables == {"films", "directors"}


def test_a_savepoint_changes_nothing(world: World) -> None:
    assert world.titles() == ["M", "Sunrise"]
    reads = world.reads
    with Session(world.engine) as session, session.begin(), session.begin_nested():
        session.execute(text("SELECT 1"))
    assert world.reads == reads + 1
    assert world.titles() == ["M", "Sunrise"]
    assert world.reads == reads + 1
