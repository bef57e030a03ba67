"""What every synthetic object promises: validity, the mark, one geometry, the same bytes every time."""

from __future__ import annotations

import hashlib
import io
import subprocess
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from archipel.demo import SITES, demo_exams
from tests import servers
from tests.demo.conftest import TODAY, Made


def test_dciodvfy_finds_no_error_in_any_object(region: Made, tmp_path: Path) -> None:
    dciodvfy = servers.program("dciodvfy", peer="dicom3tools")
    complaints = {}
    for name, files in region.items():
        # One object of each series: the others differ in position and pixels only.
        for uid, content in {ds.SeriesInstanceUID: content for content, ds in files}.items():
            path = tmp_path / f"{name}-{uid[-8:]}.dcm"
            path.write_bytes(content)
            said = subprocess.run([dciodvfy, "-new", str(path)], capture_output=True, text=True, check=False).stderr
            errors = [line for line in said.splitlines() if line.startswith(("Error", "Abort"))]
            if errors:
                complaints[path.name] = errors
    assert complaints == {}


def test_there_is_an_exam_of_every_kind(region: Made) -> None:
    modalities = {ds.Modality for files in region.values() for _, ds in files}
    assert modalities == {"CT", "MR", "MG", "PT", "US", "ECG", "DX", "CR", "SEG", "SR", "DOC", "OT"}


def test_every_object_says_that_it_is_synthetic(region: Made) -> None:
    for name, files in region.items():
        for _, ds in files:
            assert ds.PatientID.startswith("DEMO-"), name
            assert str(ds.PatientName).startswith("DEMO-"), name
            assert ds.StudyInstanceUID.startswith("2.25.") and len(ds.StudyInstanceUID) <= 64
            if "PixelData" in ds and ds.Modality != "SEG":
                assert ds.ImageComments.startswith("SYNTHETIC"), name
                assert ds.PatientIdentityRemoved == "YES", name


def test_the_same_day_gives_the_same_bytes(region: Made) -> None:
    first = {name: [hashlib.sha256(content).hexdigest() for content, _ in files] for name, files in region.items()}
    again = {exam.name: [hashlib.sha256(content).hexdigest() for content in exam.files] for exam in demo_exams(TODAY, small=True)}
    assert first == again


def test_another_day_or_edition_shares_no_uid_with_the_first(region: Made) -> None:
    def uids(today: date, edition: str) -> set[str]:
        exams = demo_exams(today, small=True, edition=edition)
        return {dcmread(io.BytesIO(content)).SOPInstanceUID for exam in exams if exam.name == "mr-brain" for content in exam.files}

    first = {ds.SOPInstanceUID for _, ds in region["mr-brain"]}
    assert len(first) == len(region["mr-brain"])
    assert not first & uids(date(2026, 1, 16), "")
    assert not first & uids(TODAY, "second")


def test_instances_are_unique_but_for_the_one_sent_again(region: Made) -> None:
    seen: dict[str, str] = {}
    twice = []
    for name, files in region.items():
        for _, ds in files:
            if ds.SOPInstanceUID in seen:
                twice.append((seen[ds.SOPInstanceUID], name))
            seen[ds.SOPInstanceUID] = name
    assert twice == [("dx-chest", "conflict-content")]


def test_the_conflicts_contradict_what_came_before(region: Made) -> None:
    assert region["dx-chest"][0][0] != region["conflict-content"][0][0]
    wrong, right = region["conflict-name"][0][1], region["pet-ct"][0][1]
    assert wrong.PatientID == right.PatientID and wrong.PatientName != right.PatientName
    filed, taken = region["conflict-patient"][0][1], region["cr-hand"][0][1]
    assert filed.StudyInstanceUID == taken.StudyInstanceUID and filed.PatientID != taken.PatientID
    born, known = region["conflict-birth-date"][0][1], region["mg-leroy"][0][1]
    assert born.PatientID == known.PatientID and born.PatientBirthDate != known.PatientBirthDate


def test_the_prior_mammography_is_two_years_older(region: Made) -> None:
    now, prior = region["mg-leroy"][0][1], region["mg-leroy-prior"][0][1]
    assert now.StudyDate == "20260113" and prior.StudyDate == "20240113"
    assert now.PatientID == prior.PatientID and now.StudyInstanceUID != prior.StudyInstanceUID


@pytest.mark.parametrize("exam", ["ct-chest", "ct-head", "mr-brain", "pet-ct"])
def test_slices_of_a_series_are_parallel_and_evenly_spaced(region: Made, exam: str) -> None:
    series: dict[str, list[tuple[int, float]]] = {}
    for _, ds in region[exam]:
        if "ImagePositionPatient" not in ds:
            continue
        axes = np.array(ds.ImageOrientationPatient, dtype=float)
        normal = np.cross(axes[:3], axes[3:])
        assert np.linalg.norm(normal) == pytest.approx(1)
        along = float(normal @ np.array(ds.ImagePositionPatient, dtype=float))
        series.setdefault(ds.SeriesInstanceUID, []).append((int(ds.InstanceNumber), along))
    for slices in series.values():
        steps = np.diff([along for _, along in sorted(slices)])
        assert len(slices) > 3 and np.ptp(steps) < 1e-3 and abs(steps[0]) > 0.5


def test_every_site_of_an_exam_exists(region: Made) -> None:
    assert {exam.site_id for exam in demo_exams(TODAY, small=True)} == {site.id for site in SITES}
