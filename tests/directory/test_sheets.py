"""Sheets: what becomes of each line, in every form that spreadsheets write, and nothing by halves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from archipel import audit
from archipel.directory import people, sheets
from archipel.kit.actor import Actor
from archipel.kit.database import Database
from archipel.kit.errors import Invalid

ADMIN = Actor("account", "admin", role="administrator")
STRUCTURES = "kind;finess;name;legal_finess\r\ngeographic;970000018;Hôpital «Nord»;970000001\r\nlegal;970000001;CHU\r\n"
PEOPLE = (
    "rpps;family;given;profession;specialty;finess;role;from_on;to_on\n"
    "10100534436;PICQUÉ;Jean;10;;970000018;radiologist;2024-01-01;\n"
    "10100534436;PICQUÉ;Jean;10;;970000001;teleradiologist;2025-01-01;2025-12-31\n"
    "10000023084;AGNÈS;Isabelle;10;;;;;\n"
)


def take(database: Database, kind: str, text: str | bytes, **options: bool) -> sheets.Report:
    contents = text if isinstance(text, bytes) else text.encode()
    return database.transact(lambda tx: sheets.take_sheet(tx, ADMIN, kind, contents, **options))


def fates(report: sheets.Report) -> list[tuple[int, str]]:
    return [(line.number, line.fate) for line in report.lines]


def loaded(database: Database) -> None:
    assert take(database, "structures", STRUCTURES).written
    assert take(database, "professionals", PEOPLE).written


def test_a_dry_run_says_all_and_writes_nothing(database: Database) -> None:
    report = take(database, "structures", STRUCTURES, dry_run=True)
    assert fates(report) == [(2, "added"), (3, "added")] and not report.written
    with database.read() as tx:
        assert people.structures(tx) == []


def test_the_same_sheet_again_changes_nothing_and_what_is_written_out_is_the_same(database: Database) -> None:
    loaded(database)
    for kind, text in (("structures", STRUCTURES), ("professionals", PEOPLE)):
        again = take(database, kind, text)
        assert again.counts["unchanged"] == len(again.lines) and not again.written
        with database.read() as tx:
            out = sheets.sheet(tx, kind)
        back = take(database, kind, out)
        assert back.counts == again.counts and not back.written
    with database.read() as tx:
        taken = audit.search(tx, action="directory.take_sheet")
    assert len(taken) == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("separator", [";", ",", "|"])
def test_encodings_and_separators_of_spreadsheets(database: Database, encoding: str, separator: str) -> None:
    assert take(database, "structures", STRUCTURES.replace(";", separator).encode(encoding)).written
    with database.read() as tx:
        assert [s.name for s in people.structures(tx)] == ["CHU", "Hôpital «Nord»"]


def test_changes_are_named_by_line(database: Database) -> None:
    loaded(database)
    report = take(
        database, "professionals",
        "RPPS,Family,Given,finess,role,from_on,to_on\n10100534436,PICQUE,Jean,970000018,radiologist,2024-01-01,2026-01-31\n"
        "10000023084,AGNÈS,Isabelle,970000018,nurse,2026-01-01,\n",
    )  # fmt: skip
    assert [(line.fate, line.why) for line in report.lines] == [
        ("changed", "family: PICQUÉ -> PICQUE, to_on: - -> 2026-01-31"), ("changed", "new membership in 970000018"),
    ]  # fmt: skip
    with database.read() as tx:
        assert people.professional_named(tx, "10100534436").profession == "10", "a column that is not there changes nothing"
        assert len(people.memberships(tx)) == 3


def test_one_bad_line_and_nothing_is_written_unless_asked(database: Database) -> None:
    loaded(database)
    head = "rpps;family;given;finess;role;from_on;to_on\n"
    bad = [
        "10100534437;A;B;;;;", "10000023084;;B;;;;", "10000023084;AGNÈS;Isabelle;970000099;nurse;2026-01-01;",
        "10000023084;AGNÈS;Isabelle;970000018;boss;2026-01-01;", "10000023084;AGNÈS;Isabelle;970000018;nurse;01/02/2026;",
        "10000023084;AGNÈS;Isabelle;970000018;nurse;2026-02-01;2026-01-01", "10000023084;AGNÈS;Isabelle;970000018;;;",
        "10000023084;=cmd();Isabelle;;;;", "10000023084;AGNÈS;Isabelle;;;;;more",
    ]  # fmt: skip
    good = "01234567897;THOMAS;Éric;970000018;technician;2026-01-01;\n"
    text = head + good + "\n".join(bad) + "\n01234567897;THOMAS;Autre;;;;\n"
    report = take(database, "professionals", text)
    assert fates(report) == [(2, "added"), *((n, "refused") for n in range(3, 13))] and not report.written
    assert all(line.why for line in report.lines if line.fate == "refused")
    assert "Line 2 says otherwise" in report.lines[-1].why
    with database.read() as tx:
        assert len(people.professionals(tx)) == 2
    assert take(database, "professionals", text, partial=True).written
    with database.read() as tx:
        assert len(people.professionals(tx)) == 3


@pytest.mark.parametrize(
    "contents", [b"", b"\n\n", b"kind;finess\n", b"kind;finess;name;colour\n", b"kind;finess;name;name\n", b'kind;finess;name\nlegal;"x\n']
)
def test_what_is_no_sheet_is_refused_as_a_whole(database: Database, contents: bytes) -> None:
    with pytest.raises(Invalid):
        take(database, "structures", contents)


def test_an_entity_does_not_become_one_of_another_kind(database: Database) -> None:
    loaded(database)
    report = take(database, "structures", "kind;finess;name;legal_finess\nlegal;970000018;X;\ngeographic;970000026;Y;970000018\n")
    assert [line.fate for line in report.lines] == ["refused", "refused"]


def test_the_command_reports_and_exits_one_when_a_line_is_refused(tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [
            str(Path(sys.executable).with_name("archipel")),
            "directory",
            *words,
            "--kind",
            "structures",
            "--data",
            str(tmp_path / "data"),
        ]
        return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)

    file, out = tmp_path / "s.csv", tmp_path / "out.csv"
    file.write_text(STRUCTURES + "legal;x;bad;\r\n", encoding="cp1252")
    refused = run("import", str(file))
    assert refused.returncode == 1 and "4\trefused\tx\t" in refused.stdout and "nothing was written" in refused.stderr
    file.write_text(STRUCTURES)
    assert run("import", str(file)).stdout.splitlines() == ["2\tadded\t970000018\t", "3\tadded\t970000001\t"]
    assert run("export", str(out)).returncode == 0
    assert out.read_bytes().startswith(b"\xef\xbb\xbfkind;finess;name;legal_finess\r\n")
