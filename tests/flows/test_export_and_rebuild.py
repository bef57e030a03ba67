"""Exams leave as the files that came, and an index comes back from the objects, by the commands of a person at the machine."""

from __future__ import annotations

import io
import os
import subprocess
import time
import zipfile
from pathlib import Path

import httpx
import pydicom
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet

from tests import make
from tests.archive.room import dataset_of
from tests.flows.test_first_road import Door, store
from tests.platform import ARCHIPEL, Platform


def sent(platform: Platform) -> list[list[Dataset]]:
    """Three exams of two patients, by C-STORE; the platform has stopped."""
    studies = [make.ct_study(series=2, instances=2), make.mr_study(instances=2), make.ct_study(instances=1, PatientID="T-0009")]
    platform.device("MODALITY")
    platform.start()
    store(Door(platform.dicom_port, platform.aet), [ds for study in studies for ds in study])
    platform.stop()
    return studies


def by_uid(files: dict[str, bytes]) -> dict[str, bytes]:
    """The datasets of exported files, as they are."""
    return {str(pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True).SOPInstanceUID): dataset_of(data) for data in files.values()}


def exported(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in (folder / "DICOM").rglob("*") if path.is_file()}


def test_an_export_holds_the_files_as_sent_and_goes_on_where_it_stopped(platform: Platform, tmp_path: Path) -> None:
    studies = sent(platform)
    everything = {str(ds.SOPInstanceUID): dataset_of(ds) for study in studies for ds in study}
    out = tmp_path / "out"
    assert "3 exams: 7 instances written" in platform.command("export", "--all", "--to", str(out)).stdout
    files = exported(out)
    assert by_uid(files) == everything
    listed = FileSet(out / "DICOMDIR")
    assert {str(one.SOPInstanceUID) for one in listed} == set(everything)
    assert all(Path(one.path).read_bytes() in files.values() for one in listed)
    directory = (out / "DICOMDIR").read_bytes()

    names = sorted(files)
    (out / names[0]).unlink()
    (out / names[1]).write_bytes(files[names[1]][:-2])
    (out / names[2]).write_bytes(files[names[2]][:-1] + bytes([files[names[2]][-1] ^ 1]))
    untouched = (out / names[3]).stat().st_mtime_ns
    assert "3 instances written" in (line := platform.command("export", "--all", "--to", str(out)).stdout)
    assert "4 there already" in line
    assert exported(out) == files
    assert (out / names[3]).stat().st_mtime_ns == untouched
    assert (out / "DICOMDIR").read_bytes() == directory

    one = tmp_path / "one"
    platform.command("export", str(studies[1][0].StudyInstanceUID), "--to", str(one))
    assert set(by_uid(exported(one))) == {str(ds.SOPInstanceUID) for ds in studies[1]}
    theirs = tmp_path / "theirs"
    platform.command("export", "--patient", "T-0009", "--site", "default", "--to", str(theirs))
    assert set(by_uid(exported(theirs))) == {str(ds.SOPInstanceUID) for ds in studies[2]}
    assert platform.command("export", "--to", str(theirs), check=False).returncode == 1
    assert platform.command("export", "1.2.3", "--to", str(theirs), check=False).returncode == 1
    assert platform.command("export", "--site", "nowhere", "--to", str(theirs), check=False).returncode == 1


def test_a_zip_is_the_same_when_it_was_cut_off(platform: Platform, tmp_path: Path) -> None:
    studies = sent(platform)
    whole, again = tmp_path / "whole.zip", tmp_path / "again.zip"
    platform.command("export", "--all", "--to", str(whole))
    with zipfile.ZipFile(whole) as opened:
        assert opened.testzip() is None
        files = {name: opened.read(name) for name in opened.namelist() if name != "DICOMDIR"}
        assert "DICOMDIR" in opened.namelist()
    assert by_uid(files) == {str(ds.SOPInstanceUID): dataset_of(ds) for study in studies for ds in study}
    data = whole.read_bytes()
    (tmp_path / "again.zip.part").write_bytes(data[: len(data) // 2] + b"torn")
    platform.command("export", "--all", "--to", str(again))
    assert again.read_bytes() == data
    assert not (tmp_path / "again.zip.part").exists()


def test_damage_is_named_and_the_rest_is_exported(platform: Platform, tmp_path: Path) -> None:
    studies = sent(platform)
    blobs = [path for path in (platform.data / "blobs" / "received").rglob("*") if path.is_file()]
    bad = studies[2][0]
    (blob,) = [path for path in blobs if bytes(bad.PixelData) in path.read_bytes()]
    data = bytearray(blob.read_bytes())
    data[data.index(b"T-0009")] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(bytes(data))
    out = tmp_path / "out"
    done = platform.command("export", "--all", "--to", str(out), check=False)
    assert done.returncode == 1
    assert f"damaged\t{bad.SOPInstanceUID}" in done.stderr
    assert len(exported(out)) == 6
    assert platform.command("export", "--all", "--to", str(tmp_path / "out.zip"), check=False).returncode == 1
    assert not (tmp_path / "out.zip").exists()


def test_an_export_is_in_the_audit_trail_and_a_lost_index_comes_back(platform: Platform, tmp_path: Path) -> None:
    studies = sent(platform)
    uid = str(studies[0][0].StudyInstanceUID)
    platform.command("export", uid, "--to", str(tmp_path / "out"))
    token = platform.token("chief", "administrator")
    platform.start()
    trace = httpx.get(f"{platform.url}/api/v1/exams/{uid}/trace", headers={"Authorization": f"Bearer {token}"}, timeout=30).json()
    assert "archive.export" in {one["action"] for one in trace["items"]}
    platform.stop()
    for path in platform.data.glob("archipel.db*"):
        path.unlink()
    first = platform.command("rebuild")
    assert "7 instances indexed, 0 found there already, 0 kept aside, 0 not read" in first.stdout
    assert "7 found there already" in platform.command("rebuild").stdout
    assert " 0 damaged" in platform.command("verify").stdout
    platform.command("export", "--all", "--to", str(tmp_path / "again"))
    everything = {str(ds.SOPInstanceUID): dataset_of(ds) for study in studies for ds in study}
    assert by_uid(exported(tmp_path / "again")) == everything


def test_a_rebuild_that_is_killed_goes_on(platform: Platform) -> None:
    studies = [make.ct_study(series=4, instances=25) for _ in range(6)]
    platform.device("MODALITY")
    platform.environment["ARCHIPEL_ARCHIVE__QUIET_S"] = "2"
    platform.start()
    for study in studies[:3]:
        store(Door(platform.dicom_port, platform.aet), study)
    time.sleep(8)  # some are sealed
    for study in studies[3:]:
        store(Door(platform.dicom_port, platform.aet), study)
    platform.stop()
    for path in platform.data.glob("archipel.db*"):
        path.unlink()
    killed = 0
    for wait_s in (1.6, 1.9, 2.2, 2.5, 2.8):
        running = subprocess.Popen(
            [str(ARCHIPEL), "rebuild", "--data", str(platform.data)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=os.environ | platform.environment,
        )  # fmt: skip
        try:
            running.wait(wait_s)
        except subprocess.TimeoutExpired:
            running.kill()
            killed += running.wait() != 0
    assert platform.command("rebuild").returncode == 0
    again = platform.command("rebuild").stdout
    assert ": 0 instances indexed" in again
    assert "600 instances, " in (verified := platform.command("verify").stdout)
    assert " 0 damaged" in verified
    assert len({line for line in platform.command("verify").stderr.splitlines() if line.startswith("orphan")}) == 0
    print(f"\n{killed} rebuilds killed; {again}")


def test_damage_is_found_by_itself_and_counted(platform: Platform) -> None:
    studies = sent(platform)
    (blob, *_) = [path for path in (platform.data / "blobs" / "received").rglob("*") if path.is_file()]
    data = bytearray(blob.read_bytes())
    data[data.rindex(bytes(studies[-1][0].PixelData)) + 5] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(bytes(data))
    platform.environment["ARCHIPEL_ARCHIVE__VERIFY_EVERY_DAYS"] = "0.00001"
    platform.start()
    until = time.monotonic() + 60
    while "archipel_damaged 1.0" not in (said := httpx.get(f"{platform.url}/metrics", timeout=30).text) and time.monotonic() < until:
        time.sleep(1)
    assert "archipel_damaged 1.0" in said
    assert "archipel_verify_instances 7.0" in said
    assert f"{studies[-1][0].SOPInstanceUID}" in platform.command("verify", "--rate", "100000000", check=False).stderr
