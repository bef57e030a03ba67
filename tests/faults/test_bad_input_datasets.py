"""Broken datasets at the doors of the running server: the standard's status, a reason in the answer and in the log, and nothing else."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.datasets import CT, REFUSALS, STORED, Case, huge, noise, structures, syntaxes, truncated, uids
from tests.faults.watch import BIG, DEFLATED, EXPLICIT, IMPLICIT, RELATED, Served, part10, related, unharmed

pytestmark = pytest.mark.faults
REASON_LENGTH_MIN = 15
MAKERS: dict[str, Callable[[], Iterator[Case]]] = {
    "truncated": truncated, "uids": uids, "structures": structures, "huge": huge, "noise": noise, "syntaxes": syntaxes,
}  # fmt: skip


def stored_back(served: Served, client: Any, case: Case) -> bool:
    """Whether the archive has the instance; its dataset then comes back as it was sent."""
    rows = client.get("/dicom-web/instances", params={"SOPInstanceUID": case.sop_instance_uid})
    assert rows.status_code in (200, 204)
    found = rows.json() if rows.status_code == 200 else []
    if not found:
        return False
    url = (
        f"/dicom-web/studies/{found[0]['0020000D']['Value'][0]}/series/{found[0]['0020000E']['Value'][0]}/instances/{case.sop_instance_uid}"
    )
    answer = client.get(url, headers={"Accept": "application/dicom; transfer-syntax=*"})
    assert answer.status_code == 200
    assert answer.content.endswith(case.data), case.name
    metadata = client.get(f"{url}/metadata", headers={"Accept": "application/dicom+json"})
    assert metadata.status_code in (200, 409, 422, 400) and metadata.elapsed.total_seconds() < 20, (
        case.name,
        metadata.status_code,
        metadata.text[:300],
    )
    return True


def in_log(served: Served, start: int, code: str, *names: str) -> bool:
    """Whether an event of the log gives the code or the reason beside one of the names."""
    return any(code in str(event) and any(name in str(event) for name in names) for event in served.logged(start))


@pytest.mark.parametrize("kind", MAKERS)
def test_c_store(served: Served, kind: str) -> None:
    wrong = []
    offers = tuple((CT, [syntax]) for syntax in (EXPLICIT, IMPLICIT, BIG, DEFLATED))
    with unharmed(served) as start, served.association(*offers) as association, served.client() as client:
        for case in MAKERS[kind]():
            answer = association.store(CT, case.sop_instance_uid, case.syntax, [case.data])
            stored = stored_back(served, client, case)
            if answer.status == 0 or answer.status >> 12 == 0xB:
                fine = STORED in case.fates and stored
            else:
                fine = not stored and any(answer.status in REFUSALS[code][0] for code in case.fates if code in REFUSALS)
                fine = (fine or (answer.status == 0xA900 and "class-mismatch" in case.fates)) and len(answer.comment) >= REASON_LENGTH_MIN
                fine = fine and in_log(served, start, f"{answer.status:04X}", case.sop_instance_uid)
            if not fine:
                wrong.append(f"{case.name}: {answer.status:04X} {answer.comment!r}, stored={stored}, due {case.fates}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("kind", MAKERS)
def test_stow(served: Served, kind: str) -> None:
    wrong = []
    with unharmed(served) as start, served.client() as client:
        for case in MAKERS[kind]():
            body = related([part10(case.data, case.syntax, sop_instance_uid=case.sop_instance_uid)])
            answer = client.post("/dicom-web/studies", content=body, headers=RELATED)
            stored = stored_back(served, client, case)
            if answer.status_code == 200:
                fine = STORED in case.fates and stored
            else:
                (failed,) = answer.json()["00081198"]["Value"]
                reason, comment = failed["00081197"]["Value"][0], failed["00000902"]["Value"][0]
                fine = not stored and len(comment) >= REASON_LENGTH_MIN and answer.status_code in (409, 413)
                fine = fine and (
                    any(reason in REFUSALS[code][1] for code in case.fates if code in REFUSALS) or "class-mismatch" in case.fates
                )
                fine = fine and in_log(served, start, comment, "dicomweb")
            if not fine:
                wrong.append(f"{case.name}: {answer.status_code} {answer.text[:300]}, stored={stored}, due {case.fates}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("kind", MAKERS)
def test_upload(served: Served, kind: str) -> None:
    wrong = []
    with unharmed(served) as start, served.client() as client:
        for case in MAKERS[kind]():
            data = part10(case.data, case.syntax, sop_instance_uid=case.sop_instance_uid)
            answer = client.post("/api/v1/uploads", files={"file": ("one.dcm", data)})
            assert answer.status_code == 200, (case.name, answer.text)
            (row,) = answer.json()["items"]
            stored = stored_back(served, client, case)
            if row["fate"] == "stored":
                fine = STORED in case.fates and stored
            else:
                fine = row["fate"] == "refused" and not stored and row["reason"] in case.fates and len(row["public"]) >= REASON_LENGTH_MIN
                fine = fine and in_log(served, start, row["reason"], "upload.refused")
            if not fine:
                wrong.append(f"{case.name}: {row}, stored={stored}, due {case.fates}")
    assert not wrong, "\n".join(wrong)


def test_import_lists_every_broken_file_with_its_reason(served: Served, tmp_path: Path) -> None:
    due: dict[str, Case] = {}
    for maker in MAKERS.values():
        for number, case in enumerate(maker()):
            name = f"{maker.__name__}-{number:03}.dcm"
            (tmp_path / name).write_bytes(part10(case.data, case.syntax, sop_instance_uid=case.sop_instance_uid))
            due[name] = case
    (tmp_path / "empty.dcm").touch()
    with unharmed(served):
        done = served.platform.command("import", str(tmp_path), seconds=100)
    output = done.stdout + done.stderr
    with served.client() as client:
        for name, case in due.items():
            lines = [line for line in output.splitlines() if name in line]
            if stored_back(served, client, case):
                assert STORED in case.fates and not lines, (case.name, lines)
            else:
                assert case.fates != (STORED,) and len(lines) == 1 and len(lines[0].split(name)[1]) > REASON_LENGTH_MIN, (case.name, lines)
    assert "empty.dcm" in output


@pytest.mark.parametrize("door", ["stow", "upload", "zip"])
def test_files_without_preamble_mark_or_meta(served: Served, tmp_path: Path, door: str) -> None:
    """What old modalities and tools write instead of PS3.10 files is taken as far as it can be understood."""
    wrong = []
    with unharmed(served), served.client() as client:
        for what in ("no preamble", "no preamble and no mark", "no meta", "wrong length of the meta", "no transfer syntax in the meta"):
            case = next(syntaxes())
            whole = part10(case.data, IMPLICIT, sop_instance_uid=case.sop_instance_uid)
            data = {
                "no preamble": whole[128:], "no preamble and no mark": whole[132:], "no meta": case.data,
                "wrong length of the meta": whole[:140] + (7).to_bytes(4, "little") + whole[144:],
                "no transfer syntax in the meta": whole.replace(b"\x02\0\x10\0UI", b"\x02\0\x12\0UI"),
            }[what]  # fmt: skip
            if door == "stow":
                status = client.post("/dicom-web/studies", content=related([data]), headers=RELATED).status_code
            else:
                path = tmp_path / "sent.zip"
                with zipfile.ZipFile(path, "w") as archive:
                    archive.writestr("DICOM/IM0001", data)
                name, content = ("sent.zip", path.read_bytes()) if door == "zip" else ("IM0001", data)
                status = client.post("/api/v1/uploads", files={"file": (name, content)}).status_code
            if status != 200 or not stored_back(served, client, case):
                wrong.append(what)
    assert not wrong


@pytest.mark.parametrize("content", [b"", b"\0", b"DICM", b"%PDF", bytes(132), bytes(128) + b"DICM", b"\xff\xd8\xff"])
def test_files_that_are_no_dicom(served: Served, content: bytes) -> None:
    with unharmed(served) as start, served.client() as client:
        answer = client.post("/dicom-web/studies", content=related([content]), headers=RELATED)
        assert answer.status_code == 409
        (failed,) = answer.json()["00081198"]["Value"]
        assert failed["00081197"]["Value"] == [0xC000] and len(failed["00000902"]["Value"][0]) >= REASON_LENGTH_MIN
        (row,) = client.post("/api/v1/uploads", files={"file": ("IM0001", content)}).json()["items"]
        assert row["fate"] == "refused" and row["reason"] in ("empty", "not-dicom", "unreadable", "no-target") and row["public"]
        assert in_log(served, start, row["reason"], "upload.refused")
