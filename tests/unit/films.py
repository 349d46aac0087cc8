"""A database of films with a cache of its queries in front, which counts what reaches it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import ForeignKey, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

import augury
from augury.closing import Closing
from augury.integrations.sqlalchemy import QueryCache


class Base(DeclarativeBase):
    pass


class Film(Base):
    __tablename__ = "films"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    director_id: Mapped[int | None] = mapped_column(ForeignKey("directors.id"))
    director: Mapped[Director | None] = relationship(back_populates="films")


class Director(Base):
    __tablename__ = "directors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    films: Mapped[list[Film]] = relationship(back_populates="director")


class World(Closing):
    """A database with a cache in front, which counts what reaches it."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.engine = create_engine(f"sqlite:///{folder}/films.db", **options)
        Base.metadata.create_all(self.engine)
        with Session(self.engine) as session, session.begin():
            session.add(Director(id=1, name="Lang"))
            session.flush()
            session.add_all([Film(id=1, title="M", director_id=1), Film(id=2, title="Sunrise")])
        self.cache: augury.Cache[Any, Any] = augury.Cache(1000)
        self.queries = QueryCache(self.cache, self.engine)
        self.reads = 0
        event.listen(self.engine, "before_cursor_execute", self._count)

    def _count(self, _c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        self.reads += statement.startswith("SELECT")

    def titles(self, session: Session | None = None) -> list[str]:
        statement = self.queries.cached(select(Film.title).order_by(Film.id))
        if session is not None:
            return list(session.scalars(statement))
        with Session(self.engine) as own:
            return list(own.scalars(statement))

    def close(self) -> None:
        """End it all."""
        self.queries.close()
        self.engine.dispose()
