"""What people read is complete: settings, commands, routes, decisions, links, the changelog."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from archipel import __version__
from tests.house.rules import PACKAGE, REPOSITORY, rooms
from tools import docs

DOCS = REPOSITORY / "docs"
HEADINGS = ["Context", "Decision", "Consequences", "Alternatives", "Enforced by"]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def decision_complaints(name: str, text: str) -> list[str]:
    """A decision is numbered, one page, and has its five headings in order."""
    found = []
    if not re.match(r"# \d{4} \S", text) or text[2:6] != name[:4]:
        found.append(f"{name}: starts with `# {name[:4]} title`")
    if re.findall(r"^## (.+)$", text, re.MULTILINE) != HEADINGS:
        found.append(f"{name}: its headings are {', '.join(HEADINGS)}")
    if any(not part.strip() for part in re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]):
        found.append(f"{name}: a part is empty")
    if len(text.splitlines()) > 70:
        found.append(f"{name}: longer than a page")
    return found


def broken_links(page: Path, text: str) -> list[str]:
    """Links to files of this repository that are not there; pictures come from `make shots`."""
    targets = [target.split("#")[0] for target in LINK.findall(text) if not re.match(r"[a-z]+:|#", target)]
    return [f"{page}: {t}" for t in targets if t and not t.endswith(".png") and not (page.parent / t).exists()]


def test_decisions_have_their_form_and_are_listed() -> None:
    pages = sorted(DOCS.glob("decisions/[0-9]*.md"))
    assert len(pages) >= 5
    complaints = [complaint for page in pages for complaint in decision_complaints(page.name, page.read_text())]
    assert complaints == [], "\n".join(complaints)
    numbers = [page.name[:4] for page in pages]
    assert len(set(numbers)) == len(numbers), "two decisions have one number"
    listed = (DOCS / "decisions" / "README.md").read_text()
    assert [page.name for page in pages if f"({page.name})" not in listed] == []


def test_a_decision_without_form_is_found() -> None:
    good = "# 0001 Title\n\n" + "".join(f"## {heading}\n\nText.\n\n" for heading in HEADINGS)
    assert decision_complaints("0001-title.md", good) == []
    for bad in (
        good.replace("0001", "0002"),
        good.replace("## Context", "## Story"),
        good.replace("Alternatives\n\nText.", "Alternatives\n"),
        good + "x\n" * 70,
    ):
        assert decision_complaints("0001-title.md", bad)


def test_links_of_the_documents_lead_somewhere() -> None:
    pages = [*REPOSITORY.glob("*.md"), *DOCS.rglob("*.md")]
    assert len(pages) > 8
    complaints = [complaint for page in pages for complaint in broken_links(page, page.read_text())]
    assert complaints == [], "\n".join(complaints)
    assert broken_links(DOCS / "x.md", "see [there](nowhere.md)")


def test_the_changelog_speaks_of_this_version() -> None:
    changelog = (REPOSITORY / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (\d+\.\d+\.\d+)( \(unreleased\)| \d{4}-\d\d-\d\d)$", changelog, re.MULTILINE)
    assert versions
    assert versions[0][0] == __version__
    newest = changelog.split("\n## ")[1]
    assert re.search(r"^- \S", newest, re.MULTILINE)


def test_the_map_of_the_house_names_every_room() -> None:
    house = (DOCS / "house.md").read_text()
    assert rooms()
    assert [room for room in rooms() if f"`{room}`" not in house] == []


@pytest.mark.parametrize("page", ["settings", "commands", "routes"])
def test_the_reference_is_complete(page: str, tmp_path: Path) -> None:
    """Every setting, command and route stands in docs/reference; `make docs` writes it."""
    done = subprocess.run(
        [sys.executable, "tools/docs.py", "--into", str(tmp_path), "--page", page],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=100,
    )
    if done.returncode == 3:
        assert not [*PACKAGE.glob("cli.py"), *PACKAGE.glob("cli/__init__.py")]
        pytest.skip(f"nothing to describe yet: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    anchors = re.compile(r"^(?:### `(.+?)`|\| `(.+?)` \|)", re.MULTILINE)
    fresh = set(anchors.findall((tmp_path / f"{page}.md").read_text()))
    written = set(anchors.findall((DOCS / "reference" / f"{page}.md").read_text()))
    assert len(fresh) > 3
    assert fresh - written == set(), "run make docs"
    assert written - fresh == set(), "described and gone: run make docs"


def test_every_setting_has_a_unit_bounds_and_a_help_text() -> None:
    settings = list(docs.settings())
    assert len(settings) > 20
    assert [s.name for s in settings if not s.help] == []
    unbounded = [s.name for s in settings if s.kind in ("int", "float") and not s.bounds]
    assert unbounded == []
    unit = re.compile(
        r"(^|_)(bytes|count|ms|s|seconds|hours|days|months|percent|port|size|processes|associations(_per_device)?|ratio)(_max|_min|_each)?$"
    )
    assert [s.name for s in settings if s.kind in ("int", "float") and not unit.search(s.name.rsplit(".")[-1])] == []
