"""An API of films whose responses and queries are cached, with FastAPI and SQLAlchemy.

python examples/film_api.py    asks it a few times, and prints who answered
uvicorn film_api:app           serves it (in examples/)
"""

import asyncio
from typing import Any

import httpx
from fastapi import Depends, FastAPI
from sqlalchemy import StaticPool, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import augury
from augury.integrations.sqlalchemy import QueryCache
from augury.integrations.starlette import ResponseCache, cache_for


class Base(DeclarativeBase):
    pass


class Film(Base):
    __tablename__ = "films"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]


engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
Base.metadata.create_all(engine)
queries = QueryCache(augury.Cache(10_000), engine, ttl=300)

app = FastAPI()
app.add_middleware(ResponseCache, cache=augury.Cache(10_000))


def titles() -> list[str]:
    with Session(engine) as session:
        return list(session.scalars(queries.cached(select(Film.title).order_by(Film.id))))


@app.get("/films", dependencies=[Depends(cache_for(60))])
async def films() -> list[str]:
    return titles()


@app.get("/count")
async def count() -> int:
    return len(titles())


@app.post("/films")
async def add(title: str) -> int:
    with Session(engine) as session, session.begin():
        session.add(Film(title=title))
    return len(titles())


async def main() -> None:
    executed: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        executed.append(statement.split(maxsplit=1)[0])

    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://films.example")
    async with client:
        for method, path in [
            ("POST", "/films?title=Metropolis"),
            ("GET", "/films"),
            ("GET", "/films"),
            ("GET", "/count"),
            ("POST", "/films?title=M"),
            ("GET", "/films"),
        ]:
            executed.clear()
            response = await client.request(method, path)
            told = response.headers.get("Cache-Status", "-")
            print(f"{method} {path}: {response.text}  {told.split(';')[1:2]} {executed}")


if __name__ == "__main__":
    asyncio.run(main())
