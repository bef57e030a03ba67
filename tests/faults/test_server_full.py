"""A disk that fills up under the running server: said by every door in the standard's way, nothing acknowledged lost, over when there is room."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from pydicom.dataset import Dataset

from tests import make
from tests.faults.counts import record
from tests.faults.watch import CT, EXPLICIT, RELATED, Served, dataset, part10, related
from tests.platform import Platform
from tests.servers import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
SIZE_MB = 40


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A data folder on a file system of its own of 40 MB."""
    if os.geteuid():
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "data"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "none", str(folder)], capture_output=True).returncode:
        pytest.skip("mounting is not permitted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@dataclass
class Sent:
    """What was sent by which door, and what was acknowledged: dataset digests by UID."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    tried: int = 0
    answers: dict[str, set[str]] = field(default_factory=lambda: {"dimse": set(), "stow": set(), "upload": set()})


def image() -> tuple[Dataset, bytes]:
    """About half a megabyte that does not compress."""
    (ds,) = make.ct_study(instances=1)
    ds.Rows = ds.Columns = 512
    ds.PixelData = os.urandom(512 * 512 * 2)
    return ds, dataset(ds)


def send_round(served: Served, sent: Sent) -> None:
    """One image by each door."""
    sent.tried += 3
    ds, data = image()
    with served.association() as association:
        answer = association.store(CT, ds.SOPInstanceUID, EXPLICIT, [data])
    sent.answers["dimse"].add(f"{answer.status:04X}")
    if answer.status == 0:
        sent.acknowledged[str(ds.SOPInstanceUID)] = hashlib.sha256(data).hexdigest()
    else:
        assert len(answer.comment) > 15
    with served.client() as client:
        ds, data = image()
        posted = client.post("/dicom-web/studies", content=related([part10(data, sop_instance_uid=ds.SOPInstanceUID)]), headers=RELATED)
        sent.answers["stow"].add(str(posted.status_code))
        if posted.status_code == 200:
            sent.acknowledged[str(ds.SOPInstanceUID)] = hashlib.sha256(data).hexdigest()
        ds, data = image()
        uploaded = client.post("/api/v1/uploads", files={"file": ("one.dcm", part10(data, sop_instance_uid=ds.SOPInstanceUID))})
        if uploaded.status_code == 200:
            (row,) = uploaded.json()["items"]
            sent.answers["upload"].add(f"200 {row['fate']} {row['reason']}")
            if row["fate"] == "stored":
                sent.acknowledged[str(ds.SOPInstanceUID)] = hashlib.sha256(data).hexdigest()
        else:
            sent.answers["upload"].add(str(uploaded.status_code))


def check_all(served: Served, sent: Sent) -> None:
    """Everything that was acknowledged is there, byte for byte."""
    with served.client() as client:
        for uid, digest in sent.acknowledged.items():
            (row,) = client.get("/dicom-web/instances", params={"SOPInstanceUID": uid}).json()
            url = f"/dicom-web/studies/{row['0020000D']['Value'][0]}/series/{row['0020000E']['Value'][0]}/instances/{uid}"
            answer = client.get(url, headers={"Accept": "application/dicom; transfer-syntax=*"})
            assert answer.status_code == 200, answer.text
            start = 144 + int.from_bytes(answer.content[140:144], "little")
            assert hashlib.sha256(answer.content[start:]).hexdigest() == digest


@pytest.mark.parametrize("free_bytes_min", [0, 8 << 20])
def test_a_full_disk(small_disk: Path, free_bytes_min: int) -> None:
    platform = Platform(small_disk.parent, {"ARCHIPEL_ARCHIVE__FREE_BYTES_MIN": str(free_bytes_min)})
    platform.start()
    try:
        served, sent = Served(platform), Sent()
        pid = served.pid
        for _ in range(SIZE_MB):
            send_round(served, sent)
        refused = len(sent.acknowledged)
        print(f"{refused} acknowledged, answers {sent.answers}")
        assert refused >= 10
        assert sent.answers["dimse"] == {"0000", "A700"}
        assert sent.answers["stow"] <= {"200", "503", "507"} and len(sent.answers["stow"]) > 1
        assert sent.answers["upload"] <= {"200 stored None", "200 refused out-of-space", "200 refused database", "503", "507"}
        assert len(sent.answers["upload"]) > 1
        check_all(served, sent)
        with served.client() as client:
            assert client.get("/healthz").status_code == 200
            assert client.get("/api/v1/exams").status_code == 200
        assert "out of" in platform.log or "no room" in platform.log or "full" in platform.log
        assert "Traceback" not in platform.log
        assert served.pid == pid and platform.process is not None and platform.process.popen is not None
        assert platform.process.popen.poll() is None
        wait_until(lambda: not served.spooled(), seconds=20)
        subprocess.run(["mount", "-o", f"remount,size={4 * SIZE_MB}m", str(small_disk)], check=True)
        sent.answers = Sent().answers
        for _ in range(3):
            send_round(served, sent)
        assert sent.answers == {"dimse": {"0000"}, "stow": {"200"}, "upload": {"200 stored None"}}
        check_all(served, sent)
        count = len(sent.acknowledged)
        record("disk full", "sqlite-files", tries=1, sent=sent.tried, acknowledged=count, found=count)
        assert platform.stop() == 0
        assert " 0 damaged" in platform.command("verify").stdout
    finally:
        platform.stop(signal.SIGKILL)


def test_a_limit_on_file_sizes_is_an_answer_and_no_signal(tmp_path: Path) -> None:
    """Where no file may grow past a size (quota, RLIMIT_FSIZE) a larger instance is refused, and smaller ones go on."""
    platform = Platform(tmp_path)
    platform.command("device", "list", check=False)
    platform.start()
    try:
        served = Served(platform)
        subprocess.run(["prlimit", "--pid", str(served.pid), f"--fsize={6 << 20}"], check=True)
        (ds,) = make.ct_study(instances=1)
        ds.Rows, ds.Columns, ds.PixelData = 2048, 2048, os.urandom(2048 * 2048 * 2)
        with served.association() as association:
            answer = association.store(CT, ds.SOPInstanceUID, EXPLICIT, [dataset(ds)])
            assert answer.status == 0xA700 and answer.comment
            ds, data = image()
            assert association.store(CT, ds.SOPInstanceUID, EXPLICIT, [data]).status == 0
        (ds,) = make.ct_study(instances=1)
        ds.Rows, ds.Columns, ds.PixelData = 2048, 2048, os.urandom(2048 * 2048 * 2)
        with served.client() as client:
            body = related([part10(dataset(ds), sop_instance_uid=ds.SOPInstanceUID)])
            assert client.post("/dicom-web/studies", content=body, headers=RELATED).status_code in (503, 507)
            uploaded = client.post("/api/v1/uploads", files={"file": ("one.dcm", part10(dataset(ds), sop_instance_uid=ds.SOPInstanceUID))})
            assert uploaded.status_code in (503, 507) or uploaded.json()["items"][0]["reason"] == "out-of-space", uploaded.text
            assert client.get("/healthz").status_code == 200
        assert not served.spooled()
    finally:
        platform.stop(signal.SIGKILL)


def test_import_onto_a_full_disk_says_so_and_goes_on_when_there_is_room(small_disk: Path) -> None:
    platform = Platform(small_disk.parent, {"ARCHIPEL_ARCHIVE__FREE_BYTES_MIN": str(4 << 20)})
    source = small_disk.parent / "source"
    source.mkdir()
    for number in range(80):
        ds, data = image()
        (source / f"{number:03}.dcm").write_bytes(part10(data, sop_instance_uid=ds.SOPInstanceUID))
    done = platform.command("import", str(source), check=False, seconds=120)
    output = done.stdout + done.stderr
    assert "room" in output or "full" in output, output[-500:]
    assert "Traceback" not in output
    subprocess.run(["mount", "-o", f"remount,size={4 * SIZE_MB}m", str(small_disk)], check=True)
    again = platform.command("import", str(source), seconds=120)
    platform.start()
    token = platform.token()
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}) as client:
        found = client.get(f"{platform.url}/dicom-web/instances", params={"limit": 100}).json()
    platform.stop(signal.SIGKILL)
    assert len(found) == 80, again.stdout
