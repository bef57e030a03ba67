"""The house rules hold, and every rule complains when it is broken."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.house import rules
from tests.house.rules import REPOSITORY, Source

BROKEN = {
    rules.front_doors_only: [
        ("dicomweb/find.py", "from archipel.archive import rows\n"),
        ("dicomweb/find.py", "from archipel.archive.find import find\n"),
        ("dicomweb/find.py", "from archipel.archive.model import Query\n"),
        ("dicomweb/find.py", "import archipel.archive.rows\n"),
        ("kit/jobs.py", "from archipel.audit import rows\n"),
    ],
    rules.imports_at_the_top: [("archive/find.py", "def find():\n    from archipel import sharing\n")],
    rules.no_parts_of_the_tests: [("dicom/scu.py", "from pynetdicom import AE\n"), ("dicom/scu.py", "import tests.make\n")],
    rules.no_temporary_file_in_clear: [("dicom/render.py", "import tempfile\nfile = tempfile.TemporaryFile()\n")],
    rules.sql_in_rows_only: [
        ("archive/find.py", "from sqlalchemy import select\n"),
        ("archive/find.py", "def find(tx):\n    return tx.execute('select 1')\n"),
        ("app.py", "import sqlite3\n"),
    ],
    rules.one_commit_place: [
        ("archive/receive.py", "def receive(tx):\n    tx.commit()\n"),
        ("kit/jobs.py", "def run(tx):\n    tx.connection.rollback()\n"),
    ],
    rules.tables_carry_the_room: [("archive/rows.py", "study = Table('study', metadata)\n")],
    rules.broad_excepts: [
        ("archive/find.py", "try:\n    find()\nexcept Exception:\n    log.error('x')\n"),
        ("archive/find.py", "try:\n    find()\nexcept (ValueError, Exception) as error:\n    raise Other from error\n"),
        ("archive/find.py", "try:\n    find()\nexcept:\n    x = 1\n"),
        ("archive/find.py", "with contextlib.suppress(Exception):\n    find()\n"),
        ("kit/jobs.py", "try:\n    run()\nexcept Exception:\n    x = 1\n" * 3),
    ],
    rules.no_person_in_logs: [
        ("archive/receive.py", "log.info('received', patient_name=name)\n"),
        ("archive/receive.py", "self._log.warning('odd', what=ds)\n"),
        ("archive/receive.py", "logger.info(f'{ds.PatientID} came')\n"),
        ("archive/receive.py", "structlog.get_logger(); log.bind(birth_date=1)\n"),
    ],
    rules.no_house_words: [("archive/study_service.py", ""), ("archive/find.py", "class QueryManager: ...\n")],
    rules.lengths: [
        ("archive/find.py", "x = 1\n" * 401),
        ("archive/__init__.py", "x = 1\n" * 41),
        ("archive/find.py", "def find():\n" + "    x = 1\n" * 60),
    ],
}
SOUND = [
    ("dicomweb/find.py", "from archipel import archive\nfrom archipel.kit.errors import Invalid\nfrom archipel.dicom import pdu\n"),
    ("dimse/store.py", "from archipel.archive import Fate, Outcome\n"),
    ("dose/follow.py", "from archipel.archive.changes import InstanceStored\nfrom archipel.archive import changes\n"),
    ("archive/rows.py", "from sqlalchemy import Table\nstudy = Table('archive_study', metadata)\ndef f(tx):\n    tx.execute(1)\n"),
    ("archive/find.py", "from archipel.archive.rows import study\ntry:\n    find()\nexcept Exception:\n    tidy()\n    raise\n"),
    ("kit/jobs.py", "try:\n    run()\nexcept Exception:\n    x = 1\n"),
    ("archive/receive.py", "log.info('received', study_uid=ref.study_uid, reason=repr(error))\n"),
]


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_package_keeps_the_rule(rule: object) -> None:
    assert callable(rule)
    files = rules.sources()
    assert len(files) > 10
    complaints = [complaint for source in files for complaint in rule(source)]
    assert complaints == [], "\n".join(complaints)


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_rule_complains_about_what_breaks_it(rule: object) -> None:
    assert callable(rule)
    for name, text in BROKEN[rule]:  # type: ignore[index]
        assert rule(Source(name, text)), f"{name}: {text[:80]}"


@pytest.mark.parametrize(("name", "text"), SOUND)
def test_no_rule_complains_about_sound_code(name: str, text: str) -> None:
    assert [complaint for rule in rules.RULES for complaint in rule(Source(name, text))] == []


def test_the_ratchet_of_lengths_only_falls() -> None:
    source = Source("archive/find.py", "x = 1\n" * 410)
    assert not rules.lengths(source, long_files={"archive/find.py": 410})
    assert rules.lengths(source, long_files={"archive/find.py": 409})
    assert rules.lengths(source, long_files={"archive/find.py": 500})
    existing = {source.name for source in rules.sources()}
    assert not [name for name in [*rules.LONG_FILES, *rules.LONG_FUNCTIONS] if name.split("::")[0] not in existing]


def lint_imports(config: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache", "--config", config]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=100)


def test_imports_go_down_the_floors() -> None:
    done = lint_imports("pyproject.toml")
    assert done.returncode == 0, done.stdout


def test_the_floors_complain_about_an_import_that_goes_up(tmp_path: object) -> None:
    upside_down = (REPOSITORY / "pyproject.toml").read_text()
    assert '    "kit",\n]' in upside_down
    upside_down = upside_down.replace('    "kit",\n]', "]").replace('    "(cli)",', '    "kit",\n    "(cli)",')
    config = f"{tmp_path}/pyproject.toml"
    with open(config, "w") as file:
        file.write(upside_down)
    done = lint_imports(config)
    assert done.returncode == 1, done.stdout
    assert "is not allowed to import archipel.kit" in done.stdout
