"""What is installed by an extra is enough for what it is for; what is missing is told in a line."""

from __future__ import annotations

import pytest

from tests.unit.own_process import run

WITHOUT = """
    import sys
    for name in {names!r}:
        sys.modules[name] = None
"""


@pytest.mark.parametrize(
    ("module", "package", "extra"),
    [
        ("service", "fastapi", "serve"),
        ("config", "pydantic_settings", "config"),
        ("metrics.prometheus", "prometheus_client", "metrics"),
        ("integrations.django", "django", "django"),
        ("integrations.flask", "flask", "flask"),
        ("integrations.dogpile", "dogpile", "dogpile"),
        ("integrations.starlette", "starlette", "starlette"),
        ("integrations.sqlalchemy", "sqlalchemy", "sql"),
    ],
)
def test_an_import_without_its_extra(module: str, package: str, extra: str) -> None:
    program = f"""
        try:
            import augury.{module}
        except ImportError as missing:
            print(missing)
    """
    told = run(WITHOUT.format(names=[package]), program, 60)
    assert told.endswith(f"is not installed; install it with: pip install 'augury[{extra}]'\n")
    assert told.count("\n") == 1


def test_the_service_needs_no_other_extra() -> None:
    pytest.importorskip("fastapi")
    others = ["sqlglot", "sqlalchemy", "sklearn", "lightgbm", "river", "crepes", "scipy", "lmdb"]
    others += ["redis", "pymemcache", "httpx", "pyarrow", "zstandard", "duckdb"]
    program = """
        import augury.service
        from augury.config import Settings, build
        with build(Settings.model_validate({"caches": {"pages": {}}, "advisors": {}})) as built:
            print(*built.caches)
    """
    assert run(WITHOUT.format(names=others), program, 60) == "pages\n"
