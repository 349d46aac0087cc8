"""The site: `make docs` builds it, no link is broken, and nothing public is missing."""

import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from augury.cli.run import application
from tests.static.public_names import public_modules, public_names

pytest.importorskip("mkdocs")
pytest.importorskip("material")
pytest.importorskip("mkdocstrings_handlers.python")

ROOT = Path(__file__).parents[2]


class Page(HTMLParser):
    """What a page can be linked by, what it links to, and what it loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.anchors |= {told["id"]} if "id" in told else set()
        if tag == "a" and "href" in told:
            self.links.add(told["href"])
        elif tag == "link" and told.get("rel") != "canonical":
            self.loaded.add(told["href"])
        elif tag in {"script", "img", "iframe"} and "src" in told:
            self.loaded.add(told["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Page]:
    """The pages by their places in the site."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    pages = {str(path.relative_to(folder)): Page(path) for path in folder.rglob("*.html")}
    pages.pop("404.html")  # is shown in any folder
    for place, page in pages.items():
        for loaded in page.loaded:
            assert (folder / place).parent.joinpath(unquote(urlsplit(loaded).path)).is_file(), (
                f"{place} loads {loaded}, which is not in the site"
            )
        for link in page.links:
            target = urljoin(place, link)
            if not target.endswith(".html") and not urlsplit(link).scheme:
                assert (folder / unquote(urlsplit(target).path)).exists(), f"{place}: {link}"
    return pages


def test_links_lead_to_anchors(site: dict[str, Page]) -> None:
    for place, page in site.items():
        for link in page.links:
            target = urlsplit(urljoin(place, link))
            if not target.scheme and target.path.endswith(".html") and target.fragment:
                assert unquote(target.fragment) in site[target.path].anchors, f"{place}: {link}"


def test_whatever_is_public_is_in_the_reference(site: dict[str, Page]) -> None:
    anchors = {anchor for page in site.values() for anchor in page.anchors}
    public = {
        f"{module.__name__}.{name}": getattr(module, name)
        for module in public_modules()
        for name in public_names(module)
    }
    described = {id(value) for name, value in public.items() if name in anchors}
    missing = [
        name
        for name, value in public.items()
        if id(value) not in described
        and f"{value.__module__}.{getattr(value, '__qualname__', '')}" not in anchors
    ]
    assert not missing, f"give the package a page with ::: in docs/reference/: {missing}"


def test_every_subcommand_is_in_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "cli.md").read_text()
    groups = [group.name for group in application().registered_groups]
    for name in [command.name for command in application().registered_commands] + groups:
        assert f"`augury {name}`" in page
