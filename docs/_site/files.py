"""What the site has from outside of docs/: README as its first page, and files that pages link to.

The site has docs/ at its root, so a link is written once, as it is right in the repository, and
changed here.
"""

import re
from pathlib import Path
from posixpath import dirname, join, normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
# Where they are in the site; some file systems do not tell SECURITY from security.
PAGES = {"README.md": "index.md", "SECURITY.md": "vulnerabilities.md"}
LINK = re.compile(r"(?<=\]\()(?!\w+:)([^)#\s]+)")


def place(path: str) -> str:
    """Return where in the site a file of the repository is."""
    return PAGES.get(path, path.removeprefix("docs/"))


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files of the repository that pages link to."""
    waiting = ["README.md", *(f"docs/{page.src_uri}" for page in files.documentation_pages())]
    seen = set(waiting)
    while waiting:
        path = waiting.pop()
        if not path.startswith("docs/"):
            source = str(ROOT / path)
            files.append(File.generated(config, place(path), abs_src_path=source))
        if path.endswith(".md"):
            links = LINK.findall((ROOT / path).read_text())
            found = {normpath(join(dirname(path), link)) for link in links} - seen
            seen |= found
            waiting += [link for link in found if (ROOT / link).is_file()]
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Let links lead to where the site has what they name."""
    own = {site: path for path, site in PAGES.items()}.get(page.file.src_uri)
    if own is None:
        generated = page.file.generated_by is not None
        own = page.file.src_uri if generated else f"docs/{page.file.src_uri}"

    def moved(link: re.Match[str]) -> str:
        target = normpath(join(dirname(own), link[1]))
        return relpath(place(target), dirname(place(own)) or ".")

    return LINK.sub(moved, markdown)
