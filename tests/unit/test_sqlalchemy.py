"""Results of queries are kept until their tables change, and never mix sessions."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy")

from sqlalchemy import (
    StaticPool,
    create_engine,
    event,
    func,
    insert,
    select,
    text,
)
from sqlalchemy import update as updating
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import (
    Session,
    aliased,
    joinedload,
    selectinload,
    sessionmaker,
    with_loader_criteria,
)

import augury
from augury.errors import ConfigurationError
from augury.integrations.sqlalchemy import QueryCache
from tests.unit.films import Base, Director, Film, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as made:
        yield made


def test_the_second_session_asks_nobody(world: World) -> None:
    assert world.titles() == world.titles() == ["M", "Sunrise"]
    assert world.reads == 1
    with Session(world.engine) as session:
        assert list(session.scalars(select(Film.title).order_by(Film.id))) == ["M", "Sunrise"]
    assert world.reads == 2  # who did not ask for the cache does without


def test_sessions_have_objects_of_their_own(world: World) -> None:
    statement = world.queries.cached(select(Film).order_by(Film.id))
    with Session(world.engine) as one, Session(world.engine) as two:
        first, second = one.scalars(statement).all(), two.scalars(statement).all()
        assert world.reads == 1
        assert first[0] is not second[0]
        assert first[0] in one
        assert second[0] in two
        assert one.scalars(statement).all()[0] is first[0]
        assert one.get(Film, 1) is first[0]
        assert world.reads == 1
        director = first[0].director  # loaded by its session, lazily
        assert director is not None
        assert director.name == "Lang"
        first[0].title = "never flushed"
        one.expunge_all()
    with Session(world.engine) as three:
        assert three.scalars(statement).all()[0].title == "M"


def test_what_is_loaded_with_it_is_kept_too(world: World) -> None:
    statement = world.queries.cached(select(Director).options(selectinload(Director.films)))
    for reads in (2, 2):
        with Session(world.engine) as session:
            (director,) = session.scalars(statement)
            assert [film.title for film in director.films] == ["M"]
        assert world.reads == reads
    with Session(world.engine) as session, session.begin():
        session.add(Film(title="Metropolis", director_id=1))
    with Session(world.engine) as session:  # of the table that was loaded beside
        assert len(session.scalars(statement).one().films) == 2


def test_joined_collections_are_the_databases(world: World) -> None:
    statement = world.queries.cached(select(Director).options(joinedload(Director.films)))
    with Session(world.engine) as session:
        (director,) = session.scalars(statement).unique()
        assert [film.title for film in director.films] == ["M"]
    one = world.queries.cached(select(Film).options(joinedload(Film.director)).order_by(Film.id))
    for _ in range(2):
        with Session(world.engine) as session:
            first = session.scalars(one).first()
            assert first is not None
            assert first.director is not None
    with Session(world.engine) as session, session.begin():
        session.get_one(Director, 1).name = "Fritz Lang"
    with Session(world.engine) as session:
        director_now = session.scalars(one).all()[0].director
        assert director_now is not None
        assert director_now.name == "Fritz Lang"


def test_values_and_forms_are_told_apart(world: World) -> None:
    cached, other = world.queries.cached, aliased(Film)
    statements: list[Any] = [
        select(Film).where(Film.id == 1),
        select(Film).where(Film.id == 2),
        select(Film.id, Film.title).where(Film.id == 1),
        select(other).where(other.id == 1),
        select(Film).where(Film.id.in_([1, 2])),
        select(Film).where(Film.id.in_([2])),
        select(func.count()).select_from(Film),
        select(Film).where(Film.id == 1).limit(1),
    ]
    with Session(world.engine) as session:
        plain = [[tuple(row) for row in session.execute(each)] for each in statements]
        for _ in range(2):
            kept = [[tuple(row) for row in session.execute(cached(each))] for each in statements]
            assert kept == plain
    assert world.reads == 2 * len(statements)
    with Session(world.engine) as session:
        row = session.execute(cached(statements[2])).one()
        assert (row.id, row.title) == (1, "M")
        types = [session.scalar(cached(select(text(":x").bindparams(x=x)))) for x in (1, 1.0, "1")]
        assert [type(each) for each in types] == [int, float, str]


def change(world: World, how: str) -> None:
    if how == "flush":
        with Session(world.engine) as session, session.begin():
            session.get_one(Film, 1).title = "new"
    elif how == "bulk":
        with Session(world.engine) as session, session.begin():
            session.bulk_update_mappings(Film.__mapper__, [{"id": 1, "title": "new"}])
    elif how == "orm update":
        with Session(world.engine) as session, session.begin():
            session.execute(updating(Film).where(Film.id == 1).values(title="new"))
    elif how == "core":
        with world.engine.begin() as connection:
            connection.execute(updating(Film.__table__).where(Film.id == 1).values(title="new"))  # type: ignore[arg-type]
    elif how == "text":
        with world.engine.begin() as connection:
            connection.execute(text("UPDATE films SET title = 'new' WHERE id = 1"))
    elif how == "driver":
        with world.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE films SET title = 'new' WHERE id = 1")
    elif how == "autocommit":
        with world.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("UPDATE films SET title = 'new' WHERE id = 1"))
            assert world.titles() == ["new", "Sunrise"]
    else:
        with world.engine.connect() as connection, connection.begin() as transaction:
            with connection.begin_nested():
                connection.execute(insert(Film).values(id=3, title="third"))
            connection.execute(text("UPDATE films SET title = 'new' WHERE id = 1"))
            connection.execute(text("DELETE FROM films WHERE id = 3"))
            transaction.commit()


@pytest.mark.parametrize(
    "how", ["flush", "bulk", "orm update", "core", "text", "driver", "autocommit", "savepoint"]
)
def test_a_change_is_seen_once_it_is_committed(world: World, how: str) -> None:
    assert world.titles() == ["M", "Sunrise"]
    change(world, how)
    assert world.titles() == ["new", "Sunrise"]
    assert world.titles() == ["new", "Sunrise"]


def test_only_the_tables_that_changed(world: World) -> None:
    world.titles()
    with Session(world.engine) as session, session.begin():
        session.get_one(Director, 1).name = "Fritz"
    reads = world.reads
    world.titles()
    assert world.reads == reads


def test_what_is_not_committed_is_seen_by_who_changed_it_only(world: World) -> None:
    world.titles()
    with Session(world.engine) as session:
        session.get_one(Film, 1).title = "pending"
        assert world.titles(session) == ["pending", "Sunrise"]  # flushed before
        assert world.titles() == ["M", "Sunrise"]
        assert world.titles(session) == ["pending", "Sunrise"]
        session.rollback()
        assert world.titles(session) == ["M", "Sunrise"]
    reads = world.reads
    assert world.titles() == ["M", "Sunrise"]
    assert world.reads == reads  # a rollback makes nothing wrong


def test_a_read_amid_a_transaction_leaves_it_as_it_is(world: World) -> None:
    with Session(world.engine) as session, session.begin():
        session.get_one(Film, 1).title = "new"
        session.flush()
        assert world.titles(session) == ["new", "Sunrise"]
    assert world.titles() == ["new", "Sunrise"]


def test_nothing_is_kept_from_a_transaction_that_changed_it(world: World) -> None:
    with Session(world.engine) as session:
        session.add(Film(id=9, title="not to be"))
        assert len(world.titles(session)) == 3
        session.rollback()
    assert world.titles() == ["M", "Sunrise"]


def test_what_a_session_has_loaded_before_does_not_spoil_the_cache(world: World) -> None:
    statement = world.queries.cached(select(Film).where(Film.id == 1))
    with Session(world.engine) as session:
        film = session.get_one(Film, 1)
        session.commit()
        session.refresh(film)
        session.expire_on_commit = False
        session.commit()
        change(world, "core")
        assert session.scalars(statement).one() is film
        assert film.title == "M"  # as without a cache: it was loaded, and is not expired
    with Session(world.engine) as session:
        assert session.scalars(statement).one().title == "new"


def test_an_old_snapshot_is_not_kept(world: World) -> None:
    with world.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
    with Session(world.engine) as old:
        old.connection().exec_driver_sql("BEGIN")
        old.scalars(select(Director)).all()  # its snapshot begins
        change(world, "core")
        assert world.titles(old) == ["M", "Sunrise"]
    assert world.titles() == ["new", "Sunrise"]


def test_objects_that_are_given_back_after_a_commit_are_read_again(world: World) -> None:
    statement = world.queries.cached(select(Film).where(Film.id == 1))
    with Session(world.engine) as session:
        film = session.scalars(statement).one()
        film.title = "mine"
        session.commit()
        assert session.scalars(statement).one().title == "mine"
    with Session(world.engine) as session:
        assert session.scalars(statement).one().title == "mine"


def test_others_tell_of_their_changes(world: World) -> None:
    world.titles()
    elsewhere = create_engine(world.engine.url)
    with elsewhere.begin() as connection:
        connection.execute(text("UPDATE films SET title = 'theirs' WHERE id = 1"))
    elsewhere.dispose()
    assert world.titles()[0] == "M"
    world.queries.changed("directors")
    assert world.titles()[0] == "M"
    world.queries.changed("films")
    assert world.titles()[0] == "theirs"
    world.queries.changed()
    reads = world.reads
    world.titles()
    assert world.reads == reads + 1


def test_a_time_to_live_ends(world: World) -> None:
    statement = world.queries.cached(select(Film.title), ttl=1e-6)
    for reads in (1, 2):
        with Session(world.engine) as session:
            session.scalars(statement).all()
        assert world.reads == reads


def test_locks_and_streams_are_the_databases(world: World) -> None:
    for statement in (
        select(Film).with_for_update(),
        select(Film).execution_options(populate_existing=True),
        select(Film).execution_options(yield_per=1),
    ):
        with Session(world.engine) as session:
            for _ in range(2):
                session.scalars(world.queries.cached(statement)).all()
    assert world.reads == 6
    assert not world.cache


def test_a_listener_after_it_cannot_be_known(world: World) -> None:
    sessions = sessionmaker(world.engine)

    @event.listens_for(sessions, "do_orm_execute")
    def only_some(state: Any) -> None:
        state.statement = state.statement.options(with_loader_criteria(Film, Film.id == 2))

    with sessions() as session, pytest.raises(ConfigurationError, match="do_orm_execute"):
        world.titles(session)
    with QueryCache(augury.Cache(10), world.engine, sessions=sessions) as queries:
        for _ in range(2):
            with sessions() as session:
                titles = session.scalars(queries.cached(select(Film.title))).all()
                assert titles == ["Sunrise"]


def test_threads_never_see_what_was_before_their_own_commit(world: World) -> None:
    wrong: list[Any] = []

    def work(number: int) -> None:
        statement = world.queries.cached(select(Director.name).where(Director.id == number))
        for turn in range(40):
            with Session(world.engine) as session, session.begin():
                session.merge(Director(id=number, name=str(turn)))
            with Session(world.engine) as session:
                found = session.scalar(statement)
                if found != str(turn):
                    wrong.append((number, turn, found))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_async_sessions_too() -> None:
    pytest.importorskip("aiosqlite")

    async def main() -> None:
        engine = create_async_engine("sqlite+aiosqlite://", poolclass=StaticPool)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
            await connection.execute(insert(Film).values(id=1, title="M"))
        cache: augury.Cache[Any, Any] = augury.Cache(100)
        with QueryCache(cache, engine, ttl=60) as queries:
            statement = queries.cached(select(Film))
            for _ in range(2):
                async with AsyncSession(engine) as session:
                    assert (await session.scalars(statement)).one().title == "M"
            assert cache.stats().hits == 1
            async with AsyncSession(engine) as session, session.begin():
                (await session.get_one(Film, 1)).title = "new"
            async with AsyncSession(engine) as session:
                found = await asyncio.gather(session.scalars(statement))
                assert found[0].one().title == "new"
        await engine.dispose()

    asyncio.run(main())


def test_what_is_no_cache_or_engine(world: World) -> None:
    with pytest.raises(ConfigurationError, match="cache"):
        QueryCache({}, world.engine)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="engine"):
        QueryCache(augury.Cache(1), "sqlite://")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="ttl"):
        world.queries.cached(select(Film), ttl=-1)


def test_after_closing_the_database_answers(world: World) -> None:
    world.titles()
    world.queries.close()
    world.queries.close()
    world.titles()
    assert world.reads == 2
