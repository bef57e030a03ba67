"""ZIP archives that are bombs, that name paths, that are cut or encrypted: by upload and by import."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import make
from tests.faults.watch import Served, dataset, part10, unharmed

pytestmark = pytest.mark.faults


def instance() -> tuple[str, bytes]:
    """A sound file and its UID."""
    (ds,) = make.ct_study(instances=1)
    return str(ds.SOPInstanceUID), part10(dataset(ds), sop_instance_uid=str(ds.SOPInstanceUID))


def zipped(members: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method, compresslevel=9) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def flat_bomb(good: bytes) -> bytes:
    """A sound member, then 600 MB of zeros in a few hundred kB."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("good.dcm", good)
        with archive.open("zeros.dcm", "w", force_zip64=True) as member:
            for _ in range(600):
                member.write(bytes(1 << 20))
    return out.getvalue()


def nested_bomb(good: bytes) -> bytes:
    """Archives in archives in archives, each level sixteen times the one below."""
    inner = zipped({"zeros": bytes(32 << 20)})
    for _ in range(3):
        inner = zipped({f"{number}.zip": inner for number in range(16)})
    return zipped({"good.dcm": good, "more.zip": inner})


def overlapping_bomb(good: bytes) -> bytes:
    """Many entries of the directory that point at one member (Fifield 2019)."""
    data = bytearray(zipped({"good.dcm": good, "kernel": bytes(20 << 20)}))
    start = struct.unpack_from("<L", data, len(data) - 6)[0]
    entries = bytes(data[start:-22])
    at = entries.rindex(b"PK\1\2")
    kernel = entries[at:]
    copies = b"".join(kernel[:46] + f"k{number:05}".encode() + kernel[52:] for number in range(5000))
    count = 5002
    end = struct.pack("<4sHHHHLLH", b"PK\5\6", 0, 0, count, count, len(entries) + len(copies), start, 0)
    return bytes(data[:start]) + entries + copies + end


def directory_bomb(good: bytes) -> bytes:
    """An end record that declares a directory of 4 GB."""
    data = zipped({"good.dcm": good})
    return data[:-22] + struct.pack("<4sHHHHLLH", b"PK\5\6", 0, 0, 65535, 65535, 0xFFFFFFFF, 0, 0)


def encrypted(good: bytes) -> bytes:
    """A member that says that it is encrypted."""
    data = bytearray(zipped({"secret.dcm": good}))
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    return bytes(data)


BOMBS: dict[str, tuple[Callable[[bytes], bytes], set[str], bool]] = {
    "flat": (flat_bomb, {"zip-bomb"}, True),
    "nested": (nested_bomb, {"zip-bomb", "nested-zip"}, True),
    "overlapping": (overlapping_bomb, {"zip-bomb"}, True),
    "directory of 4 GB": (directory_bomb, {"zip-bomb", "bad-zip"}, True),
    "encrypted": (encrypted, {"encrypted-zip"}, False),
    "cut in the middle": (lambda good: zipped({"good.dcm": good, "other.dcm": good * 50})[:-200], {"bad-zip"}, True),
    "a wrong checksum": (lambda good: zipped({"good.dcm": good, "bad.dcm": good[::-1]}, method=0).replace(good[::-1][:40], b"?" * 40), {"bad-zip"}, True),
    "empty": (lambda good: zipped({}), set(), False),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_archives_by_upload(served: Served, name: str) -> None:
    build, codes, stores = BOMBS[name]
    uid, good = instance()
    data = build(good)
    with unharmed(served) as start, served.client(timeout=100) as client:
        answer = client.post("/api/v1/uploads", files={"file": ("exam.zip", data)})
        assert answer.status_code == 200, answer.text
        items = answer.json()["items"]
        refused = {row["reason"] for row in items if row["fate"] == "refused"}
        assert refused & codes or not codes, items[:5]
        assert all(len(row["public"]) > 15 for row in items if row["reason"])
        assert len(items) < 6000
        assert (uid in {row["sop_instance_uid"] for row in items if row["fate"] == "stored"}) == stores, items[:5]
        logged = {event.get("code") for event in served.logged(start) if event["event"] == "upload.refused"}
        assert logged >= refused


@pytest.mark.parametrize("name", ["flat", "nested", "overlapping", "cut in the middle"])
def test_archives_by_import(served: Served, tmp_path: Path, name: str) -> None:
    build, _, stores = BOMBS[name]
    uid, good = instance()
    (tmp_path / "exam.zip").write_bytes(build(good))
    with unharmed(served):
        done = served.platform.command("import", str(tmp_path), seconds=100)
    output = done.stdout + done.stderr
    assert "exam.zip" in output and "1 stored" in output, output[-800:]
    with served.client() as client:
        assert len(client.get("/dicom-web/instances", params={"SOPInstanceUID": uid}).json()) == stores


@pytest.mark.parametrize("door", ["upload", "import"])
def test_names_that_climb_are_labels_and_never_paths(served: Served, tmp_path: Path, door: str) -> None:
    names = ["../../../../../../tmp/archipel-climbed.dcm", "/tmp/archipel-climbed.dcm", "C:\\archipel-climbed.dcm", "..\\..\\archipel-climbed.dcm",
             "a/../../b.dcm", "\u202egnp.dcm", "x" * 2000 + ".dcm", "nul\0byte.dcm", "con", "~root/.ssh/authorized_keys"]  # fmt: skip
    members = {name: instance() for name in names}
    link = zipfile.ZipInfo("link.dcm")
    link.external_attr = 0o120777 << 16
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, (_, data) in members.items():
            archive.writestr(name, data)
        archive.writestr(link, "/etc/passwd")
    before = {path for path in served.platform.data.parent.rglob("*") if path.is_file() and "climbed" in path.name}
    with unharmed(served), served.client() as client:
        if door == "upload":
            rows = client.post("/api/v1/uploads", files={"file": ("../../exam.zip", out.getvalue())}).json()["items"]
            assert sum(row["fate"] == "stored" for row in rows) == len(names), rows
            assert not any("\0" in row["name"] or "\u202e" in row["name"] or "root:" in str(row) for row in rows)
        else:
            (tmp_path / "exam.zip").write_bytes(out.getvalue())
            assert f"{len(names)} stored" in served.platform.command("import", str(tmp_path)).stdout
        for uid, data in members.values():
            (row,) = client.get("/dicom-web/instances", params={"SOPInstanceUID": uid}).json()
            assert row["00080018"]["Value"] == [uid] and data
    after = {path for path in served.platform.data.parent.rglob("*") if path.is_file() and "climbed" in path.name}
    assert after == before and not Path("/tmp/archipel-climbed.dcm").exists() and not os.path.exists("/archipel-climbed.dcm")
