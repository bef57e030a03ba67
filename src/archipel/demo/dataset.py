"""The attributes that every synthetic instance shares, and its Part 10 bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian

from archipel.demo.region import Person, site
from archipel.demo.uids import uid

MARK = "SYNTHETIC"
MANUFACTURER = "Archipel (synthetic)"
SOFTWARE = "demo-1"
IMPLEMENTATION_CLASS_UID = UID("2.25.308151374265284471120034163953411571463")


@dataclass(frozen=True)
class DemoExam:
    """One exam of the demo: where it was made, a name for people and its Part 10 files, made as they are read."""

    site_id: str
    name: str
    files: Iterator[bytes]


@dataclass(frozen=True)
class Visit:
    """A study that is to be made: ``key`` names it; all UIDs of one ``edition`` of the demo differ from those of another."""

    key: str
    person: Person
    site_id: str
    edition: str
    on: date
    at: time
    description: str
    accession: str
    station: str = "DEMO"
    referring: str = "DEMO-VALMONT^Inès^^Dr"

    def uid(self, *names: str | int) -> str:
        return uid(self.edition, self.key, *names)

    @property
    def study_uid(self) -> str:
        return self.uid("study")


@dataclass(frozen=True)
class Series:
    """A series of a visit: ``key`` names it within the visit."""

    key: str
    number: int
    modality: str
    description: str
    body_part: str = ""
    model: str = "Phantom"
    minutes: int = 0


def instance(visit: Visit, series: Series, sop_class_uid: str, number: int) -> Dataset:
    """A dataset with patient, study, series, equipment and SOP Common modules filled (PS3.3 C.7.1, C.7.2, C.7.3, C.7.5, C.12.1)."""
    ds = Dataset()
    ds.SpecificCharacterSet = visit.person.charset
    ds.SOPClassUID = sop_class_uid
    ds.SOPInstanceUID = visit.uid(series.key, number)
    add_patient(ds, visit.person)
    add_study(ds, visit)
    ds.SeriesDate = ds.ContentDate = ds.StudyDate
    clock = time(visit.at.hour, (visit.at.minute + series.minutes) % 60, visit.at.second)
    ds.SeriesTime = ds.ContentTime = clock.strftime("%H%M%S")
    ds.InstanceCreationDate, ds.InstanceCreationTime = ds.ContentDate, ds.ContentTime
    ds.Modality = series.modality
    ds.SeriesInstanceUID = visit.uid("series", series.key)
    ds.SeriesNumber = series.number
    ds.SeriesDescription = series.description
    if series.body_part:
        ds.BodyPartExamined = series.body_part
    ds.InstanceNumber = number
    add_equipment(ds, visit, series.model)
    return ds


def sibling(template: Dataset, sop_instance_uid: str, number: int) -> Dataset:
    """Another instance of the template's series; what is not set anew is shared with the template, not copied."""
    ds = Dataset()
    ds.update(template)
    ds.add_new("SOPInstanceUID", "UI", sop_instance_uid)
    ds.add_new("InstanceNumber", "IS", number)
    return ds


def add_patient(ds: Dataset, person: Person) -> None:
    ds.PatientName = person.name
    ds.PatientID = person.id
    ds.PatientBirthDate = person.birth
    ds.PatientSex = person.sex
    ds.PatientWeight = f"{person.weight_kg:g}"
    ds.PatientSize = f"{person.size_m:g}"
    ds.PatientComments = f"{MARK}: this person does not exist"
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = MARK


def add_study(ds: Dataset, visit: Visit) -> None:
    ds.StudyInstanceUID = visit.study_uid
    ds.StudyDate = visit.on.strftime("%Y%m%d")
    ds.StudyTime = visit.at.strftime("%H%M%S")
    ds.StudyID = visit.accession[-8:]
    ds.AccessionNumber = visit.accession
    ds.ReferringPhysicianName = visit.referring
    ds.StudyDescription = visit.description
    ds.PatientAge = age(visit.person.birth, visit.on)


def add_equipment(ds: Dataset, visit: Visit, model: str) -> None:
    ds.Manufacturer = MANUFACTURER
    ds.ManufacturerModelName = model
    ds.InstitutionName = site(visit.site_id).name
    ds.StationName = visit.station
    ds.DeviceSerialNumber = "0001"
    ds.SoftwareVersions = SOFTWARE


def age(birth: str, on: date) -> str:
    """Age as a DICOM AS value in years."""
    born = date(int(birth[:4]), int(birth[4:6]), int(birth[6:]))
    return f"{on.year - born.year - ((on.month, on.day) < (born.month, born.day)):03d}Y"


def add_plane(ds: Dataset, *, pixel_mm: float, thickness_mm: float, position: tuple[float, float, float], axes: tuple[int, ...]) -> None:
    """Image Plane module (PS3.3 C.7.6.2); ``axes`` are the six direction cosines."""
    ds.PixelSpacing = [f"{pixel_mm:.6g}", f"{pixel_mm:.6g}"]
    ds.SliceThickness = f"{thickness_mm:g}"
    ds.ImagePositionPatient = [f"{value:.6g}" for value in position]
    ds.ImageOrientationPatient = list(axes)
    ds.SliceLocation = f"{position[2]:g}"


def set_pixels(ds: Dataset, pixels: NDArray[np.generic], *, bits_stored: int, photometric: str = "MONOCHROME2") -> None:
    """Image Pixel module (PS3.3 C.7.6.3) from (rows, columns), (frames, rows, columns) or (…, 3) samples, uncompressed."""
    colour = photometric not in {"MONOCHROME1", "MONOCHROME2"}
    shape = pixels.shape[:-1] if colour else pixels.shape
    ds.SamplesPerPixel = 3 if colour else 1
    ds.PhotometricInterpretation = photometric
    if colour:
        ds.PlanarConfiguration = 0
    if len(shape) == 3:
        ds.NumberOfFrames = shape[0]
    ds.Rows, ds.Columns = shape[-2], shape[-1]
    ds.BitsAllocated = pixels.dtype.itemsize * 8
    ds.BitsStored = bits_stored
    ds.HighBit = bits_stored - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    data = np.ascontiguousarray(pixels).astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds["PixelData"].VR = "OB" if ds.BitsAllocated == 8 else "OW"


def set_encapsulated(ds: Dataset, frames: list[bytes]) -> None:
    """Replace the pixel data by compressed frames."""
    ds.PixelData = encapsulate(frames)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True


def part10(ds: Dataset, transfer_syntax_uid: str = ExplicitVRLittleEndian) -> bytes:
    """The dataset as a Part 10 file (PS3.10 7.1)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = "ARCHIPEL_DEMO"
    written = Dataset()
    written.update(ds)
    written.file_meta = meta
    buffer = io.BytesIO()
    dcmwrite(buffer, written, enforce_file_format=True)
    return buffer.getvalue()


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """A code sequence item (PS3.3 8.8)."""
    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = scheme
    item.CodeMeaning = meaning
    return item
