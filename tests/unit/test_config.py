"""Configurations: what is read, from where, and what is said of mistakes."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("pydantic_settings")

from augury.cli import main
from augury.config import Settings, load_settings
from augury.config.describing import keys
from augury.config.sections.caches import CacheSection, TiersSection
from augury.config.settings import read_settings
from augury.config.tokens import make_token
from augury.errors import ConfigurationError, SettingsError

ROOT = Path(__file__).parents[2]
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> Path:
        path = tmp_path / "given.toml"
        path.write_text(text)
        return path

    return write


def mistakes(path: Path) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        load_settings(path)
    assert isinstance(raised.value, ConfigurationError)
    return list(raised.value.mistakes)


def cache(settings: Settings, name: str) -> CacheSection:
    section = settings.caches[name]
    assert isinstance(section, CacheSection)
    return section


def test_without_any_file_all_is_as_by_default(write: Write) -> None:
    assert load_settings() == Settings()


def test_the_file_of_the_folder_and_that_of_the_environment(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("augury.toml").write_text("[service]\nport = 1\n")
    assert load_settings().service.port == 1
    monkeypatch.setenv("AUGURY_CONFIG", str(write("[service]\nport = 2\n")))
    assert load_settings().service.port == 2
    assert load_settings(Path("augury.toml")).service.port == 1


def test_the_environment_is_above_the_file(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write('[caches.Page-views]\ncapacity = 5\nttl = "1m"\n[service]\nport = 7\n')
    monkeypatch.setenv("AUGURY_CACHES__PAGE_VIEWS__CAPACITY", "64MiB")
    monkeypatch.setenv("AUGURY_CACHES__NEW__TTL", "250ms")
    monkeypatch.setenv("AUGURY_SERVICE__RATE", "2.5")
    monkeypatch.setenv("AUGURY_TRAINING", '{"queue": 9}')
    read = read_settings(path)
    assert cache(read.settings, "Page-views") == CacheSection(capacity="64MiB", ttl=60.0)
    assert cache(read.settings, "new").ttl == 0.25
    assert (read.settings.service.port, read.settings.service.rate) == (7, 2.5)
    assert read.settings.training.queue == 9
    assert read.origin("caches", "Page-views", "capacity") == "environment"
    assert read.origin("caches", "Page-views", "ttl") == "file"
    assert read.origin("caches", "Page-views", "policy") == "default"


def test_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    path = tmp_path / "there" / "a.toml"
    path.write_text('registry = "models"\n[training]\nfolder = "/logs"\n')
    settings = load_settings(path)
    assert settings.registry == tmp_path / "there" / "models"
    assert settings.training.folder == Path("/logs")


def test_an_item_with_tiers_is_several(write: Write) -> None:
    path = write(
        '[caches.s]\nttl = "5m"\nconsistency = "tracked"\n'
        '[[caches.s.tiers]]\nkind = "memory"\ncapacity = "1MiB"\n'
        '[[caches.s.tiers]]\nkind = "redis"\nurl = "redis://127.0.0.1"\n'
        '[[caches.s.tiers]]\nkind = "memcached"\nservers = ["127.0.0.1:1", "127.0.0.1:2"]\n'
    )
    section = load_settings(path).caches["s"]
    assert isinstance(section, TiersSection)
    assert [tier.kind for tier in section.tiers] == ["memory", "redis", "memcached"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[service]\nport = 99999", "service.port: must be at most 65535, not 99999"),
        ("[service]\nport = 'x'", "service.port: must be a whole number, not 'x'"),
        ("[service]\nprot = 1", "service.prot: is unknown; did you mean 'port'?"),
        ("[service]\nrate = nan", "service.rate: must be a finite number, not nan"),
        ("[service]\nrate = -1", "service.rate: must be at least 0, not -1"),
        ("service = 5", "service: must be a table, not 5"),
        ("registri = 'x'", "registri: is unknown; did you mean 'registry'?"),
        ("[service]\ntls_key = 'x'", "service: give both tls_certificate and tls_key, or neither"),
        ("[service.tokens.a]", "service.tokens.a.sha256: is missing; it has to be given"),
        (
            f"[service.tokens.a]\nsha256='{'0' * 64}'\nscopes=['red']",
            "service.tokens.a.scopes.0: must be one of 'read', 'write' or 'admin', not 'red'",
        ),
        (
            f"[caches.users]\n[service.tokens.a]\nsha256='{'0' * 64}'\ncaches=['usres']",
            "service.tokens.a.caches: there is no cache 'usres'; did you mean 'users'?",
        ),
        ("[caches.a]\nttl = 0", "caches.a.ttl: must be a time above 0: seconds, or text such"),
        ("[caches.a]\nttl = 'soon'", "caches.a.ttl: must be a time above 0: seconds, or text such"),
        ("[caches.a]\ncapacity = true", "caches.a.capacity: must be a whole number of entries"),
        ("[caches.a]\ncapacity = '5%'", "caches.a.capacity: must be a whole number of entries"),
        ("[caches.a]\npolicy = 'belady'", "caches.a.policy: policy 'belady' needs to know"),
        ("[caches.a]\npolicy = 'lruu'", "caches.a.policy: unknown policy 'lruu'; there are: "),
        ("[caches.a]\nlearn = 'perhaps'", "caches.a.learn: must be true or false, not 'perhaps'"),
        ("registry = '~nobody-so-called/x'", "registry: ~nobody-so-called is no user's folder"),
        (r'registry = "a\u0000b"', "registry: a path has no NUL in it"),
        (
            f"[service.tokens.'a b']\nsha256='{'0' * 64}'",
            "service.tokens.a b: a name is 1 to 64 letters, digits",
        ),
        ("[caches.'a/b']", "caches.a/b: a name is 1 to 64 letters, digits"),
        ("[caches.a]\nregistry = true", "caches.a.registry: give registry, a folder"),
        ("[caches.a]\nrecord = true", "caches.a.record: give training.folder"),
        ("[caches.a]\ntiers = []", "caches.a.tiers: must be a list of at least 1"),
        ("[caches.a]\ntiers = [{}]", "caches.a.tiers.0.kind: is missing; it has to be given"),
        (
            "[caches.a]\ntiers = [{kind='redsi'}]",
            "caches.a.tiers.0.kind: must be one of 'memory', 'disk', 'redis', 'memcached', not 'r",
        ),
        (
            "[caches.a]\ntiers = [{kind='disk', folder='x'}, {kind='memory'}]",
            "caches.a: a tier of kind 'memory' can only be the first: nothing is nearer",
        ),
        (
            "[caches.a]\ntiers = [{kind='redis', url='redis://:${NO_SUCH}@x'}]",
            "caches.a.tiers.0.url: needs the environment variable NO_SUCH, which is not set",
        ),
        ("[answers.a]", "answers.a.database: is missing; it has to be given"),
        (
            "[answers.a]\ndatabase='sqlite://'\ncache='b'",
            "answers.a.cache: there is no cache 'b'; there are: none",
        ),
        (
            "[answers.a]\ndatabase='sqlite://'\n[answers.a.queries.q]\nsql=''\ntolerance='x%'",
            "answers.a.queries.q.tolerance: must be a number, or a share such as '5%'",
        ),
    ],
)
def test_a_mistake_is_told_by_its_key(write: Write, text: str, line: str) -> None:
    (told,) = mistakes(write(text))
    assert told.startswith(line)
    assert "\n" not in told


def test_all_mistakes_are_told_at_once(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUGURY_SRVICE__PORT", "1")
    told = mistakes(write("[service]\nport = -1\n[caches.a]\nttl = 0\ncapcity = 1\n"))
    assert [line.partition(":")[0] for line in told] == [
        "AUGURY_SRVICE__PORT",
        "service.port",
        "caches.a.ttl",
        "caches.a.capcity",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[caches.a]\ntiers = 'redis://:hunter2@x'",
        "[caches.a]\ntiers = ['redis://:hunter2@x']",
        "[caches.a]\ntiers = ['redis:me:hunter2']",
        "[caches.a]\ntiers = [{kind='redis', url=['redis://:hunter2@x']}]",
        "[caches.a]\ntiers = [{kind='redis', ulr='redis://:hunter2@x'}]",
        "[answers]\na = 'postgresql://me:hunter2@x'",
        "[answers.a]\ndatabase = {url = 'postgresql://me:hunter2@x'}",
    ],
)
def test_no_mistake_shows_a_password(write: Write, text: str) -> None:
    assert "hunter" not in " ".join(mistakes(write(text)))


def test_what_is_no_toml(write: Write, tmp_path: Path) -> None:
    assert "is no TOML" in mistakes(write("[service"))[0]
    (tmp_path / "odd.toml").write_bytes(b"\xff")
    assert "no text in UTF-8" in mistakes(tmp_path / "odd.toml")[0]
    assert "No such file" in mistakes(tmp_path / "none.toml")[0]
    assert "directory" in mistakes(tmp_path)[0].lower()
    assert "no TOML" in mistakes(write(f"[caches.a]\ncapacity = {'9' * 5000}"))[0]
    assert "nested too deeply" in mistakes(write(f"a = {'[' * 9000}"))[0]
    assert "longer than 16 MiB" in mistakes(Path("/dev/zero"))[0]


def test_what_is_no_json(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUGURY_CACHES__A__TIERS", '[{"kind": "memory"}')
    (told,) = mistakes(write(""))
    assert told.startswith("AUGURY_CACHES__A__TIERS: is no valid JSON")
    monkeypatch.setenv("AUGURY_CACHES__A__TIERS", "[" * 9000)
    (told,) = mistakes(write(""))
    assert told.startswith("AUGURY_CACHES__A__TIERS: is no valid JSON")
    monkeypatch.delenv("AUGURY_CACHES__A__TIERS")
    monkeypatch.setenv("AUGURY_SERVICE", "x")
    (told,) = mistakes(write(""))
    assert told.startswith("AUGURY_SERVICE: is no valid JSON")


def test_secrets_are_read_and_not_shown(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORD", "p@ss/wo?rd")
    path = write(
        '[answers.a]\ndatabase = "postgresql://me:${WORD}@db/x?password=hunter2"\n'
        '[caches.s]\nttl = 1\ntiers = [{kind="redis", url="redis://:${WORD}@127.0.0.1/0"}]\n'
    )
    settings = load_settings(path)
    database = settings.answers["a"].database
    assert database.get_secret_value() == "postgresql://me:p@ss/wo?rd@db/x?password=hunter2"
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert "wo?rd" not in shown
        assert "hunter" not in shown
    assert str(database).startswith("postgresql://***@db/x")


def test_a_token_is_random_and_only_its_hash_is_configured() -> None:
    first, section = make_token("shop", ["read", "write"])
    second, _ = make_token("shop")
    assert first != second
    assert len(first) >= 43
    assert first not in repr(section)
    with pytest.raises(SettingsError, match=r"tokens\.a\.b/c"):
        make_token("a.b/c")


def test_the_page_lists_all_keys() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    rows = re.findall(r"^\| `(.*?)` \| `(.*?)` \| (.*) \|$", page, re.MULTILINE)
    assert rows == [(key.name, key.default, key.meaning) for key in keys()]
    assert all(key.meaning for key in keys())


def test_the_command_makes_a_token_to_paste(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "token", "shop.eu", "--scopes", "read, admin"]) == 0
    settings = load_settings(write(capsys.readouterr().out))
    assert settings.service.tokens["shop.eu"].scopes == ("read", "admin")
    assert main(["config", "token", "shop", "--scopes", "rd"]) == 2
    assert "must be one of 'read', 'write' or 'admin'" in capsys.readouterr().err


def test_the_command_tells_all_mistakes(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", str(write("[service]\nport = -1\nprot = 1\n"))]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert [line.split(":")[1] for line in printed.err.splitlines()] == [
        " service.port",
        " service.prot",
    ]


def test_a_mistake_does_nothing_to_the_terminal(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "check", str(write(r'"a\u001b[2Jb\u202e" = 1'))]) == 2
    assert "a\N{REPLACEMENT CHARACTER}[2jb" in capsys.readouterr().err.casefold()


def test_the_command_lists_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "keys", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {"key": "service.port", "default": "8520"}.items() <= listed[2].items()
