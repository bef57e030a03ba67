"""What the builders make is valid DICOM by the judgement of others."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from tests import make, servers


@pytest.mark.parametrize("ds", [make.ct_study()[0], make.mr_study()[0], make.cr_image()], ids=["ct", "mr", "cr"])
def test_dciodvfy_finds_no_error(ds: Dataset, tmp_path: Path) -> None:
    [path] = make.files([ds], tmp_path)
    done = subprocess.run([servers.program("dciodvfy", peer="dicom3tools"), path], capture_output=True, text=True, timeout=30)
    assert [line for line in done.stderr.splitlines() if line.startswith("Error")] == []


def test_a_study_reads_back_in_both_little_endian_syntaxes(tmp_path: Path) -> None:
    made = make.ct_study(series=2, instances=2, PatientID="X")
    for syntax in ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1"):
        read = [dcmread(path) for path in make.files(made, tmp_path, transfer_syntax_uid=syntax)]
        assert [(ds.PatientID, ds.SeriesNumber, ds.InstanceNumber) for ds in read] == [("X", 1, 1), ("X", 1, 2), ("X", 2, 1), ("X", 2, 2)]
        assert {ds.file_meta.TransferSyntaxUID for ds in read} == {syntax}
        assert len({ds.StudyInstanceUID for ds in read}) == 1
        assert len({ds.SOPInstanceUID for ds in read}) == 4
        assert all(ds.PixelData == original.PixelData for ds, original in zip(read, made, strict=True))
