"""Numbers that a reader will measure in the demo, against what the objects themselves say or a second library computes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import highdicom
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_rescale
from pydicom.waveforms.numpy_handler import multiplex_array

from archipel.demo.documents import REPORT, pdf
from tests.demo.conftest import Made


def test_suv_of_the_hottest_lesion_is_plausible_and_stands_out(region: Made) -> None:
    pet = [ds for _, ds in region["pet-ct"] if ds.Modality == "PT"]
    drug = pet[0].RadiopharmaceuticalInformationSequence[0]
    began = datetime.strptime(pet[0].SeriesDate + pet[0].SeriesTime, "%Y%m%d%H%M%S")
    waited_s = (began - datetime.strptime(str(drug.RadiopharmaceuticalStartDateTime)[:14], "%Y%m%d%H%M%S")).total_seconds()
    decayed_bq = float(drug.RadionuclideTotalDose) * 0.5 ** (waited_s / float(drug.RadionuclideHalfLife))
    weight_g = float(pet[0].PatientWeight) * 1000
    suv = np.stack([apply_rescale(ds.pixel_array, ds) for ds in pet]) * weight_g / decayed_bq
    assert 9 < suv.max() < 16
    assert 0.5 < np.median(suv[suv > 0.3]) < 1.2


def test_pet_and_ct_share_frame_of_reference_and_field(region: Made) -> None:
    ct, pet = ([ds for _, ds in region["pet-ct"] if ds.Modality == modality] for modality in ("CT", "PT"))
    assert ct[0].FrameOfReferenceUID == pet[0].FrameOfReferenceUID
    assert [ds.ImagePositionPatient[2] for ds in ct] == [ds.ImagePositionPatient[2] for ds in pet]
    assert ct[0].Rows * float(ct[0].PixelSpacing[0]) == pytest.approx(pet[0].Rows * float(pet[0].PixelSpacing[0]))


def test_the_segments_lie_on_dense_tissue_of_the_ct(region: Made) -> None:
    files = [ds for _, ds in region["ct-chest"]]
    seg = highdicom.seg.Segmentation.from_dataset(next(ds for ds in files if ds.Modality == "SEG"))
    lung = {ds.SOPInstanceUID: ds for ds in files if ds.Modality == "CT" and ds.SeriesDescription.startswith("Thorax poumon")}
    uids = [uid for _, _, uid in seg.get_source_image_uids()]
    masks = seg.get_pixels_by_source_instance(uids, segment_numbers=[1, 2, 3])
    volume = np.stack([apply_rescale(lung[uid].pixel_array, lung[uid]) for uid in uids])
    for segment in range(3):
        inside = volume[masks[..., segment] > 0]
        assert inside.size and np.median(inside) > -300


def test_the_report_measures_the_nodules_that_were_drawn(region: Made) -> None:
    sr = next(ds for _, ds in region["ct-chest"] if ds.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.33")
    report = highdicom.sr.ComprehensiveSR.from_dataset(sr)
    content: Any = report.content
    groups = content.get_planar_roi_measurement_groups()
    assert [group.get_measurements()[0].value for group in groups] == [15.0, 9.0, 22.0, 11.0]
    drawn = groups[2].roi.value
    pixel_mm = 400 / 64
    assert np.linalg.norm(drawn[1] - drawn[0]) * pixel_mm == pytest.approx(22.0, abs=0.1)


def test_the_dose_report_agrees_with_the_images(region: Made) -> None:
    files = [ds for _, ds in region["ct-chest"]]
    rdsr = next(ds for ds in files if ds.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.67")
    ct = [ds for ds in files if ds.Modality == "CT" and ds.SeriesNumber == 2]
    length_mm = len(ct) * float(ct[0].SliceThickness)
    found = numbers(rdsr)
    assert found["113830"] == pytest.approx(float(ct[0].CTDIvol), rel=1e-5)
    assert found["113838"] == found["113813"] == pytest.approx(float(ct[0].CTDIvol) * length_mm / 10, rel=1e-4)
    assert found["113825"] == pytest.approx(length_mm, rel=1e-4)


def numbers(ds: Dataset) -> dict[str, float]:
    found: dict[str, float] = {}
    for item in ds.get("ContentSequence") or []:
        if item.ValueType == "NUM":
            found[item.ConceptNameCodeSequence[0].CodeValue] = float(item.MeasuredValueSequence[0].NumericValue)
        found |= numbers(item)
    return found


def test_the_ecg_obeys_einthoven_and_beats(region: Made) -> None:
    ds = region["ecg-rest"][0][1]
    leads = multiplex_array(ds, 0, as_raw=False)
    one, two, three = leads[:, 0], leads[:, 1], leads[:, 2]
    assert np.abs(one + three - two).max() < 80  # microvolts: noise of three channels and the drift
    assert 700 < np.ptp(two) < 2500


def test_breasts_touch_the_chest_wall_side_of_their_image(region: Made) -> None:
    for _, ds in region["mg-leroy"]:
        columns = (ds.pixel_array[ds.Rows // 4 :] > 300).sum(axis=0)
        wall = columns[-8:] if ds.ImageLaterality == "R" else columns[:8]
        air = columns[:8] if ds.ImageLaterality == "R" else columns[-8:]
        assert wall.min() > 20 and air.max() == 0
        assert ds.PatientOrientation[0] == ("P" if ds.ImageLaterality == "R" else "A")


def test_the_pdf_is_whole_and_says_what_it_should(region: Made) -> None:
    ds = next(ds for _, ds in region["ct-chest"] if ds.Modality == "DOC")
    content = ds.EncapsulatedDocument[: ds.EncapsulatedDocumentLength]
    assert content.startswith(b"%PDF-1.4") and content.endswith(b"%%EOF\n")
    start = int(content.split(b"startxref\n")[1].split(b"\n")[0])
    assert content[start : start + 4] == b"xref"
    offsets = [int(line[:10]) for line in content[start:].split(b"\n") if line.endswith(b" n ")]
    assert [content[at : at + 7] for at in offsets] == [b"%d 0 obj" % number for number in range(1, 6)]
    assert "épanchement pleural".encode("cp1252") in pdf("Essai", REPORT)
