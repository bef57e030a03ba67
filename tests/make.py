"""Builders of small, valid, clearly synthetic DICOM objects; every call makes fresh UIDs.

Values that a test does not name are fixed, so that two calls differ in UIDs only. Pixels come from a formula: no randomness.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)

PATIENT = {
    "PatientName": "TESTE^ALICE",
    "PatientID": "T-0001",
    "IssuerOfPatientID": "TEST",
    "PatientBirthDate": "19700131",
    "PatientSex": "F",
}


def uid() -> str:
    """A fresh UID."""
    return str(generate_uid())


def instance(sop_class_uid: str, modality: str, **attributes: Any) -> Dataset:
    """The modules that every instance has: patient, study, series, SOP common. Keywords set or replace attributes, None removes one."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = UID(sop_class_uid)
    ds.SOPInstanceUID = UID(uid())
    ds.StudyDate, ds.StudyTime = "20260115", "101500"
    ds.AccessionNumber = "A-0001"
    ds.ReferringPhysicianName = "TESTE^DOCTEUR"
    ds.StudyDescription, ds.SeriesDescription = f"{modality} test", f"{modality} series"
    ds.StudyID = "1"
    ds.Modality = modality
    ds.Manufacturer = "Archipel tests"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = UID(uid()), UID(uid())
    ds.SeriesNumber, ds.InstanceNumber = 1, 1
    for keyword, value in (PATIENT | attributes).items():
        if value is None:
            if keyword in ds:
                delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def with_pixels(ds: Dataset, *, rows: int = 16, columns: int = 16, frames: int = 1, seed: int = 0) -> Dataset:
    """Add 16-bit monochrome pixels: a ramp that depends on the seed and on the frame."""
    ramp = np.arange(rows * columns, dtype=np.uint32).reshape(rows, columns)
    pixels = np.stack([(ramp + 17 * seed + 101 * frame) % 4096 for frame in range(frames)]).astype("<u2")
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = rows, columns
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    if frames > 1:
        ds.NumberOfFrames = frames
    ds.PixelData = pixels.tobytes()
    return ds


def study(sop_class_uid: str, modality: str, *, series: int, instances: int, size: int, **attributes: Any) -> list[Dataset]:
    """``series`` x ``instances`` images of one study, in order, with positions 5 mm apart."""
    study_uid = attributes.pop("StudyInstanceUID", None) or uid()
    made = []
    for series_number in range(1, series + 1):
        series_uid, frame_of_reference_uid = uid(), uid()
        for number in range(1, instances + 1):
            ds = instance(
                sop_class_uid, modality, StudyInstanceUID=study_uid, SeriesInstanceUID=series_uid, SeriesNumber=series_number,
                InstanceNumber=number, **attributes,
            )  # fmt: skip
            ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = UID(frame_of_reference_uid), ""
            ds.PatientOrientation, ds.PatientPosition, ds.AcquisitionNumber, ds.Laterality = "", "HFS", 1, ""
            ds.ImagePositionPatient, ds.ImageOrientationPatient = [0, 0, 5 * number], [1, 0, 0, 0, 1, 0]
            ds.PixelSpacing, ds.SliceThickness = [1, 1], 5
            made.append(with_pixels(ds, rows=size, columns=size, seed=number))
    return made


def ct_study(*, series: int = 1, instances: int = 3, size: int = 16, **attributes: Any) -> list[Dataset]:
    """A CT study; keywords are attributes of every instance, such as ``PatientID="X"``."""
    made = study(CTImageStorage, "CT", series=series, instances=instances, size=size, **attributes)
    for ds in made:
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.KVP, ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 120, -1024, 1, "HU"
    return made


def mr_study(*, series: int = 1, instances: int = 3, size: int = 16, **attributes: Any) -> list[Dataset]:
    """An MR study."""
    made = study(MRImageStorage, "MR", series=series, instances=instances, size=size, **attributes)
    for ds in made:
        ds.ImageType = ["ORIGINAL", "PRIMARY", "M"]
        ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions, ds.MRAcquisitionType = "SE", "NONE", "", "2D"
        ds.RepetitionTime, ds.EchoTime, ds.EchoTrainLength = 500, 20, 1
    return made


def cr_image(**attributes: Any) -> Dataset:
    """One plain radiograph."""
    ds = with_pixels(instance(ComputedRadiographyImageStorage, "CR", BodyPartExamined="CHEST", ViewPosition="PA", **attributes))
    ds.ImageType, ds.PatientOrientation = ["ORIGINAL", "PRIMARY"], ["L", "F"]
    return ds


def part10(ds: Dataset, *, transfer_syntax_uid: str = ExplicitVRLittleEndian) -> bytes:
    """The object as a Part 10 file; explicit and implicit little endian."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    file = FileDataset("", ds, file_meta=meta, preamble=b"\0" * 128)
    target = io.BytesIO()
    file.save_as(target, implicit_vr=transfer_syntax_uid == ImplicitVRLittleEndian, little_endian=True, enforce_file_format=True)
    return target.getvalue()


def files(objects: Sequence[Dataset], folder: Path, *, transfer_syntax_uid: str = ExplicitVRLittleEndian) -> list[Path]:
    """Each object as a file named by its SOP Instance UID."""
    paths = []
    for ds in objects:
        paths.append(folder / f"{ds.SOPInstanceUID}.dcm")
        paths[-1].write_bytes(part10(ds, transfer_syntax_uid=transfer_syntax_uid))
    return paths
