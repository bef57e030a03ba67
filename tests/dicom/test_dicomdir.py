"""DICOMDIR: read back by pydicom and DCMTK, names kept inside."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import pydicom
import pytest
from pydicom.fileset import FileSet

from archipel.dicom import dicomdir, header, part10
from archipel.kit.errors import Invalid
from tests.dicom.samples import kept
from tests.servers import missing

NAMES = ["CT_small.dcm", "MR_small.dcm", "emri_small.dcm", "test-SR.dcm", "rtplan.dcm", "rtdose.dcm", "waveform_ecg.dcm", "kos.dcm",
         "pstate07__1.dcm", "chrH32.dcm", "chrX1.dcm", "chrRuss.dcm", "seg_image_ct_binary.dcm", "examples_jpeg2k.dcm"]  # fmt: skip


def file_set(folder: Path) -> list[dicomdir.Entry]:
    headers = []
    for name in NAMES:
        with kept(name).open("rb") as source:
            meta = part10.split(source)
            source.seek(meta.dataset_offset)
            headers.append((header.read_header(source, meta.transfer_syntax_uid).values, meta.transfer_syntax_uid))
    ids = dicomdir.file_ids([values for values, _ in headers])
    for name, file_id in zip(NAMES, ids, strict=True):
        target = folder.joinpath(*file_id)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(kept(name), target)
    return [dicomdir.Entry(file_id, values, syntax) for file_id, (values, syntax) in zip(ids, headers, strict=True)]


def test_pydicom_finds_every_instance(tmp_path: Path) -> None:
    entries = file_set(tmp_path)
    (tmp_path / "DICOMDIR").write_bytes(dicomdir.build(entries, "DEMO"))
    found = FileSet(tmp_path / "DICOMDIR")
    assert found.ID == "DEMO"
    assert len(found) == len(NAMES)
    for instance, entry in zip(sorted(found, key=lambda one: str(one.path)), entries, strict=True):
        assert Path(instance.path) == tmp_path.joinpath(*entry.file_id)
        assert instance.ReferencedSOPInstanceUIDInFile == entry.values["00080018"][0]
        assert instance.load().SOPInstanceUID == entry.values["00080018"][0]
    names = {str(one.PatientName) for one in found}
    assert any("山田" in name for name in names)


def test_offsets_lead_from_record_to_record(tmp_path: Path) -> None:
    data = dicomdir.build(file_set(tmp_path))
    ds = pydicom.dcmread(io.BytesIO(data))
    by_offset = {item.seq_item_tell: item for item in ds.DirectoryRecordSequence}
    seen = []
    at = ds.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity
    stack = [at]
    while stack:
        at = stack.pop()
        while at:
            item = by_offset[at]
            seen.append(item.DirectoryRecordType)
            if item.OffsetOfReferencedLowerLevelDirectoryEntity:
                stack.append(item.OffsetOfReferencedLowerLevelDirectoryEntity)
            last, at = at, item.OffsetOfTheNextDirectoryRecord
    assert len(seen) == len(ds.DirectoryRecordSequence)
    assert {"IMAGE", "SR DOCUMENT", "RT PLAN", "RT DOSE", "WAVEFORM", "KEY OBJECT DOC", "PRESENTATION"} <= set(seen)
    assert by_offset[ds.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity].OffsetOfTheNextDirectoryRecord == 0
    assert last


def test_dcmtk_reads_it(tmp_path: Path) -> None:
    if shutil.which("dcmdump") is None:
        missing("dcmtk")
    (tmp_path / "DICOMDIR").write_bytes(dicomdir.build(file_set(tmp_path)))
    said = subprocess.run(["dcmdump", "-E", str(tmp_path / "DICOMDIR")], capture_output=True, text=True, timeout=60, check=True)
    records = pydicom.dcmread(tmp_path / "DICOMDIR").DirectoryRecordSequence
    assert said.stdout.count("DirectoryRecordType") == len(records) >= 40
    if shutil.which("dcdirdmp"):
        said = subprocess.run(["dcdirdmp", str(tmp_path / "DICOMDIR")], capture_output=True, text=True, timeout=60)
        assert said.returncode == 0
        assert "Error" not in said.stderr


@pytest.mark.parametrize("name", [("..", "X"), ("a",), ("A" * 9,), (), ("A/B",), ("A\0",), tuple("ABCDEFGHI"), ("",)])
def test_names_stay_inside(name: tuple[str, ...]) -> None:
    with pytest.raises(Invalid) as caught:
        dicomdir.build([dicomdir.Entry(name, {}, "1.2.840.10008.1.2.1")])
    assert caught.value.code == "bad-name"


def test_a_thousand_instances_have_names_of_their_own() -> None:
    headers = [{"0020000D": ("1.2",), "0020000E": (f"1.{n % 7}",)} for n in range(1000)]
    ids = dicomdir.file_ids(headers)
    assert len(set(ids)) == 1000
    dicomdir.build([dicomdir.Entry(one, values | {"00080018": ("1.2",)}, "1.2") for one, values in zip(ids, headers, strict=True)])


def test_an_empty_set_is_a_directory_too() -> None:
    ds = pydicom.dcmread(io.BytesIO(dicomdir.build([])))
    assert len(ds.DirectoryRecordSequence) == 0
