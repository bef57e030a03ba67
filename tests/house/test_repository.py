"""What may not stand in the repository: addresses of registries, paths of a machine, a lock that holds them."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.house.rules import FILE_LINES_MAX, REPOSITORY

REGISTRY = re.compile(
    r"\b(pypi\.org|files\.pythonhosted\.org|registry\.(npmjs\.org|yarnpkg\.com)|test\.pypi\.org|deb\.debian\.org)"
    r"|--(extra-)?index-url|--find-links|--trusted-host|^registry\s*=|\.whl(#|\b.*--hash)|://[^\s\"']+\.tgz",
    re.MULTILINE,
)
MACHINE = re.compile(r"(?<![\w./~-])/(home|Users)/\w+/|(?<![\w./~-])/(root|work)/\w")
ALLOWED = {
    "hatch_build.py": "OHIF's own release, by digest",
    "tests/house/test_repository.py": "the patterns themselves",
}
"""Files that name the one address that they need."""


def complaints(name: str, text: str) -> list[str]:
    """What a tracked text file may not contain, as ``path:line: text``."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if (REGISTRY.search(line) and name not in ALLOWED) or MACHINE.search(line):
            found.append(f"{name}:{number}: {line.strip()[:120]}")
    return found


def tracked() -> list[str]:
    """The files that git follows and that are there; all files outside a checkout."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, timeout=30)
    if done.returncode:
        pytest.skip("no git checkout")
    return [name for name in done.stdout.split("\0") if name and (REPOSITORY / name).is_file()]


def test_no_registry_and_no_path_of_a_machine() -> None:
    found = []
    for name in tracked():
        content = (REPOSITORY / name).read_bytes()
        if b"\0" not in content[:4096]:
            found += complaints(name, content.decode(errors="replace"))
    assert found == [], "\n".join(found)


@pytest.mark.parametrize(
    "line",
    [
        "--index-url somewhere",
        '"resolved": "https://somewhere/a-1.' + 'tgz",',
        "source = files." + "pythonhosted.org/x",
        "cd /home/" + "someone/archipel",
        "DATA=/" + "work/data",
    ],
)
def test_what_may_not_stand_there_is_found(line: str) -> None:
    assert complaints("x.txt", line)


@pytest.mark.parametrize(
    "line", ["see docs/work/ and ../home/x/", "GET /api/v1/work", "https://example.org/home/a/", "#!/usr/bin/env bash"]
)
def test_harmless_lines_pass(line: str) -> None:
    assert not complaints("x.txt", line)


def test_no_lock_with_addresses_and_nothing_generated() -> None:
    unwanted = re.compile(r"(^|/)(uv\.lock|poetry\.lock|node_modules/|__pycache__/)|^src/archipel/static/|^var/|\.pyc$")
    assert [name for name in tracked() if unwanted.search(name)] == []


def test_every_requirement_is_pinned_with_a_hash() -> None:
    for name in ("run.txt", "build.txt", "dev.txt"):
        logical = (REPOSITORY / "requirements" / name).read_text().replace("\\\n", " ").splitlines()
        lines = [line for line in logical if line.strip() and not line.startswith("#")]
        assert len(lines) > 20
        assert [line for line in lines if not re.match(r"[\w.\-\[\]]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)] == []


def test_the_platform_runs_without_the_parts_of_the_tests() -> None:
    run = (REPOSITORY / "requirements" / "run.txt").read_text()
    assert re.search(r"^pydicom==", run, re.MULTILINE)
    assert not re.search(r"^(pynetdicom|dicomweb-client|pytest|hypothesis)==", run, re.MULTILINE)


def test_tests_and_the_browser_application_keep_to_the_length_of_a_file() -> None:
    """The package is measured by rules.lengths; lists of translations are as long as the application has words."""
    names = [name for name in tracked() if re.match(r"(tests|tools|benchmarks|web/src)/.+\.(py|tsx?)$", name) and "/i18n/" not in name]
    assert names
    lengths = {name: len((REPOSITORY / name).read_text().splitlines()) for name in names}
    assert {name: count for name, count in lengths.items() if count > FILE_LINES_MAX} == {}


def test_scripts_can_be_run() -> None:
    scripts = [REPOSITORY / name for name in tracked() if name.endswith(".sh") or name == ".ci/run"]
    assert scripts
    for script in scripts:
        assert script.stat().st_mode & 0o111, f"{script} is not executable"
        subprocess.run(["bash", "-n", script], check=True, timeout=10)
