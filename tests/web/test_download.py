"""An exam as a ZIP: what is in it, resuming, the same bytes each time, one record in the trail."""

from __future__ import annotations

import io
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.fileset import FileSet

from archipel import audit, directory
from archipel.kit.stored_zip import Checksums, Member, StoredZip
from tests import make
from tests.servers import program
from tests.web.door import Door


def exam(door: Door, **attributes: Any) -> tuple[str, list[Any]]:
    objects = [*make.ct_study(series=2, instances=3, **attributes), make.cr_image()]
    objects[-1].StudyInstanceUID = objects[0].StudyInstanceUID
    door.store(*objects)
    return str(objects[0].StudyInstanceUID), objects


def test_the_zip_holds_every_instance_as_stored_and_a_dicomdir(door_on: Door, tmp_path: Path) -> None:
    study, objects = exam(door_on, PatientName="LÉVÊQUE^Zoé")
    client = door_on.client("radiologist")
    answer = client.get(f"/exams/{study}/archive.zip")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/zip"
    assert int(answer.headers["content-length"]) == len(answer.content) and answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-disposition"] == f'attachment; filename="{study}.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as made:
        assert made.testzip() is None
        names = made.namelist()
        assert names == ["DICOMDIR", "README.TXT", *(f"DICOM/{n:08d}" for n in range(1, 8))]
        made.extractall(tmp_path / "medium")
    sent = {str(ds.SOPInstanceUID): ds for ds in objects}
    for path in (tmp_path / "medium" / "DICOM").iterdir():
        got = pydicom.dcmread(path)
        assert got == sent.pop(str(got.SOPInstanceUID))
    assert sent == {}
    file_set = FileSet(pydicom.dcmread(tmp_path / "medium" / "DICOMDIR"))
    assert {str(i.SOPInstanceUID) for i in file_set} == {str(ds.SOPInstanceUID) for ds in objects}
    assert all(Path(i.path).is_file() for i in file_set)
    assert str(next(iter(file_set)).PatientName) == "LÉVÊQUE^Zoé"


def test_other_programs_read_the_zip(door: Door, tmp_path: Path) -> None:
    study, _ = exam(door)
    path = tmp_path / "exam.zip"
    path.write_bytes(door.client("radiologist").get(f"/exams/{study}/archive.zip").content)
    done = subprocess.run([program("unzip"), "-t", str(path)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout


def test_a_download_resumes_with_the_same_bytes(door: Door) -> None:
    study, _ = exam(door)
    client, path = door.client("radiologist"), f"/exams/{study}/archive.zip"
    whole = client.get(path)
    etag, size = whole.headers["etag"], len(whole.content)
    assert not etag.startswith("W/")
    head = client.head(path)
    assert head.status_code == 200 and head.headers["etag"] == etag and int(head.headers["content-length"]) == size and head.content == b""
    assert client.get(path).content == whole.content
    cuts = [(0, 0), (0, 99), (1, 5000), (size - 1, size - 1), (size // 2, size - 1), (100, size + 50), (size - 400, size - 1)]
    for first, last in cuts:
        part = client.get(path, headers={"Range": f"bytes={first}-{last}", "If-Range": etag})
        assert part.status_code == 206 and part.content == whole.content[first : last + 1], (first, last)
        assert part.headers["content-range"] == f"bytes {first}-{min(last, size - 1)}/{size}"
    assert client.get(path, headers={"Range": "bytes=-25"}).content == whole.content[-25:]
    assert client.get(path, headers={"Range": "bytes=70-"}).content == whole.content[70:]
    for ignored in ("bytes=5-2", "bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=x-"):
        assert client.get(path, headers={"Range": ignored}).status_code == 200
    for beyond in (f"bytes={size}-", "bytes=-0"):
        refused = client.get(path, headers={"Range": beyond})
        assert refused.status_code == 416
    assert client.get(path, headers={"Range": "bytes=0-9", "If-Range": '"other"'}).status_code == 200
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 304


def test_the_etag_follows_the_content(door: Door) -> None:
    study, objects = exam(door)
    client, path = door.client("radiologist"), f"/exams/{study}/archive.zip"
    before = client.head(path).headers["etag"]
    client.post(f"/exams/{study}/rejection", json={"code": "113001", "sop_instance_uids": [str(objects[0].SOPInstanceUID)]})
    answer = client.get(path)
    assert answer.headers["etag"] != before
    with zipfile.ZipFile(io.BytesIO(answer.content)) as made:
        assert len(made.namelist()) == 2 + 6


def test_a_resumed_download_is_one_record(door: Door) -> None:
    study, _ = exam(door)
    client, path = door.client("radiologist"), f"/exams/{study}/archive.zip"
    client.head(path)
    for first in (0, 1000, 2000):
        client.get(path, headers={"Range": f"bytes={first}-{first + 999}"})
    with door.database.read() as tx:
        records = [r for r in audit.trace(tx, study) if r.action == "archive.download"]
    assert len(records) == 1 and records[0].actor.id == "radiologist" and records[0].detail["instance_count"] == 7


def test_training_exams_say_that_they_are_synthetic(door_on: Door) -> None:
    study, _ = exam(door_on)
    client = door_on.client("radiologist")

    def readme() -> str:
        with zipfile.ZipFile(io.BytesIO(client.get(f"/exams/{study}/archive.zip").content)) as made:
            return made.read("README.TXT").decode("ascii")

    assert "SYNTHETIC" not in readme()
    door_on.database.transact(lambda tx: directory.set_demo(tx, ["north"]))
    assert "SYNTHETIC" in readme()


@pytest.mark.parametrize("sizes", [[], [0], [10, 0, 70_000, 5 << 20, 3]])
def test_any_range_of_an_archive_is_that_of_the_whole(sizes: list[int]) -> None:
    contents = [bytes([n + 1]) * size for n, size in enumerate(sizes)]
    members = [Member(f"M{n}", len(c), str(n), lambda c=c: iter([c[:1000], c[1000:]])) for n, c in enumerate(contents)]  # type: ignore[misc]
    made = StoredZip(members, Checksums())
    whole = b"".join(made.stream(0, made.size_bytes))
    assert len(whole) == made.size_bytes
    with zipfile.ZipFile(io.BytesIO(whole)) as read:
        assert [read.read(name) for name in read.namelist()] == contents
    step = max(1, made.size_bytes // 37)
    for start in range(0, made.size_bytes, step):
        for length in (1, 29, step, made.size_bytes - start):
            cold = StoredZip(members, Checksums())
            assert b"".join(cold.stream(start, length)) == whole[start : start + length]


def test_members_past_four_gigabytes_take_zip64() -> None:
    """The layout alone: nobody reads the bytes here, but every offset and size is checked against Python's own reader."""
    size = 5 << 30
    members = [Member("BIG", size, "big", lambda: iter(())), Member("AFTER", 3, "after", lambda: iter([b"abc"]))]
    checksums = Checksums()
    checksums.keep(members[0], 0x12345678)
    made = StoredZip(members, checksums)
    start = size + 30 + 3 + 20
    tail = b"".join(made.stream(start, made.size_bytes - start))

    class Sparse(io.RawIOBase):
        """The archive with a hole where the large member is."""

        at = 0

        def seekable(self) -> bool:
            return True

        def seek(self, offset: int, whence: int = 0) -> int:
            self.at = offset + (self.at if whence == 1 else made.size_bytes if whence == 2 else 0)
            return self.at

        def tell(self) -> int:
            return self.at

        def read(self, count: int = -1) -> bytes:
            count = made.size_bytes - self.at if count < 0 else count
            data = tail[self.at - start :][:count] if self.at >= start else b""
            self.at += len(data)
            return data

    with zipfile.ZipFile(Sparse()) as read:  # type: ignore[arg-type]
        big, after = read.infolist()
        assert (big.file_size, big.CRC, big.header_offset) == (size, 0x12345678, 0)
        assert after.header_offset == start and read.read("AFTER") == b"abc"
