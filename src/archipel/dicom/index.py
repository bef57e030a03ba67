"""The attributes that the archive indexes and answers queries on, by level (PS3.4 C.6, PS3.18 10.6.3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydicom.datadict import keyword_for_tag, tag_for_keyword

Level = Literal["PATIENT", "STUDY", "SERIES", "IMAGE"]
LEVELS: tuple[Level, ...] = ("PATIENT", "STUDY", "SERIES", "IMAGE")


@dataclass(frozen=True, slots=True)
class Indexed:
    """One indexed attribute: ``path`` as in DICOM JSON (nested with a dot), ``vr`` of the value."""

    path: str
    keyword: str
    vr: str
    level: Level


_CODE = (("CodeValue", "SH"), ("CodingSchemeDesignator", "SH"), ("CodeMeaning", "LO"))
_TABLE: tuple[tuple[Level, str, str], ...] = (
    ("PATIENT", "PatientName", "PN"),
    ("PATIENT", "PatientID", "LO"),
    ("PATIENT", "IssuerOfPatientID", "LO"),
    ("PATIENT", "IssuerOfPatientIDQualifiersSequence.UniversalEntityID", "UT"),
    ("PATIENT", "IssuerOfPatientIDQualifiersSequence.UniversalEntityIDType", "CS"),
    ("PATIENT", "PatientBirthDate", "DA"),
    ("PATIENT", "PatientBirthTime", "TM"),
    ("PATIENT", "PatientSex", "CS"),
    ("PATIENT", "OtherPatientIDs", "LO"),
    ("PATIENT", "OtherPatientIDsSequence.PatientID", "LO"),
    ("PATIENT", "OtherPatientIDsSequence.IssuerOfPatientID", "LO"),
    ("PATIENT", "EthnicGroup", "SH"),
    ("PATIENT", "PatientComments", "LT"),
    ("STUDY", "StudyInstanceUID", "UI"),
    ("STUDY", "StudyDate", "DA"),
    ("STUDY", "StudyTime", "TM"),
    ("STUDY", "AccessionNumber", "SH"),
    ("STUDY", "IssuerOfAccessionNumberSequence.LocalNamespaceEntityID", "UT"),
    ("STUDY", "IssuerOfAccessionNumberSequence.UniversalEntityID", "UT"),
    ("STUDY", "StudyID", "SH"),
    ("STUDY", "StudyDescription", "LO"),
    ("STUDY", "ReferringPhysicianName", "PN"),
    ("STUDY", "NameOfPhysiciansReadingStudy", "PN"),
    ("STUDY", "InstitutionName", "LO"),
    ("STUDY", "PatientAge", "AS"),
    ("STUDY", "PatientSize", "DS"),
    ("STUDY", "PatientWeight", "DS"),
    *(("STUDY", f"ProcedureCodeSequence.{k}", vr) for k, vr in _CODE),
    ("STUDY", "TimezoneOffsetFromUTC", "SH"),
    ("SERIES", "SeriesInstanceUID", "UI"),
    ("SERIES", "SeriesNumber", "IS"),
    ("SERIES", "Modality", "CS"),
    ("SERIES", "SeriesDescription", "LO"),
    ("SERIES", "SeriesDate", "DA"),
    ("SERIES", "SeriesTime", "TM"),
    ("SERIES", "BodyPartExamined", "CS"),
    ("SERIES", "Laterality", "CS"),
    ("SERIES", "ProtocolName", "LO"),
    ("SERIES", "Manufacturer", "LO"),
    ("SERIES", "ManufacturerModelName", "LO"),
    ("SERIES", "StationName", "SH"),
    ("SERIES", "InstitutionalDepartmentName", "LO"),
    ("SERIES", "PerformingPhysicianName", "PN"),
    ("SERIES", "OperatorsName", "PN"),
    ("SERIES", "FrameOfReferenceUID", "UI"),
    ("SERIES", "PerformedProcedureStepStartDate", "DA"),
    ("SERIES", "PerformedProcedureStepStartTime", "TM"),
    ("SERIES", "PerformedProcedureStepID", "SH"),
    ("SERIES", "PerformedProcedureStepDescription", "LO"),
    ("SERIES", "RequestAttributesSequence.ScheduledProcedureStepID", "SH"),
    ("SERIES", "RequestAttributesSequence.RequestedProcedureID", "SH"),
    ("SERIES", "RequestAttributesSequence.AccessionNumber", "SH"),
    ("SERIES", "RequestAttributesSequence.StudyInstanceUID", "UI"),
    ("IMAGE", "SOPClassUID", "UI"),
    ("IMAGE", "SOPInstanceUID", "UI"),
    ("IMAGE", "InstanceNumber", "IS"),
    ("IMAGE", "SpecificCharacterSet", "CS"),
    ("IMAGE", "ImageType", "CS"),
    ("IMAGE", "ContentDate", "DA"),
    ("IMAGE", "ContentTime", "TM"),
    ("IMAGE", "AcquisitionDate", "DA"),
    ("IMAGE", "AcquisitionTime", "TM"),
    ("IMAGE", "AcquisitionDateTime", "DT"),
    ("IMAGE", "AcquisitionNumber", "IS"),
    ("IMAGE", "NumberOfFrames", "IS"),
    ("IMAGE", "Rows", "US"),
    ("IMAGE", "Columns", "US"),
    ("IMAGE", "BitsAllocated", "US"),
    ("IMAGE", "SamplesPerPixel", "US"),
    ("IMAGE", "PhotometricInterpretation", "CS"),
    ("IMAGE", "LossyImageCompression", "CS"),
    ("IMAGE", "ImageLaterality", "CS"),
    ("IMAGE", "ViewPosition", "CS"),
    *(("IMAGE", f"ConceptNameCodeSequence.{k}", vr) for k, vr in _CODE),
    ("IMAGE", "CompletionFlag", "CS"),
    ("IMAGE", "VerificationFlag", "CS"),
    ("IMAGE", "ContentLabel", "CS"),
    ("IMAGE", "ContentDescription", "LO"),
    ("IMAGE", "ContentCreatorName", "PN"),
    ("IMAGE", "PresentationCreationDate", "DA"),
    ("IMAGE", "PresentationCreationTime", "TM"),
    ("IMAGE", "DocumentTitle", "ST"),
    ("IMAGE", "MIMETypeOfEncapsulatedDocument", "LO"),
)


def path_of(keyword: str) -> str:
    """The path of a keyword, nested with a dot: ``RequestAttributesSequence.AccessionNumber`` -> ``00400275.00080050``.

    A part that already is a tag in hexadecimal is kept. Raises KeyError for a keyword that the standard does not know.
    """
    parts = []
    for name in keyword.split("."):
        tag = tag_for_keyword(name)
        if tag is None and len(name) == 8 and all(c in "0123456789abcdefABCDEF" for c in name):
            tag = int(name, 16)
        if tag is None:
            raise KeyError(keyword)
        parts.append(f"{tag:08X}")
    return ".".join(parts)


def keyword_of(path: str) -> str:
    """The keyword of a path, nested with a dot; a tag without a keyword stays as it is."""
    return ".".join(keyword_for_tag(int(part, 16)) or part for part in path.split("."))


INDEXED: tuple[Indexed, ...] = tuple(Indexed(path_of(keyword), keyword, vr, level) for level, keyword, vr in _TABLE)
BY_PATH: dict[str, Indexed] = {one.path: one for one in INDEXED}
BY_KEYWORD: dict[str, Indexed] = {one.keyword: one for one in INDEXED}

#: What a query may match on, by level: the level's own attributes and those of the levels above (PS3.4 C.6.1.1).
FIND_KEYS: dict[Level, tuple[Indexed, ...]] = {
    level: tuple(one for one in INDEXED if LEVELS.index(one.level) <= LEVELS.index(level)) for level in LEVELS
}

SOP_CLASS_UID = path_of("SOPClassUID")
SOP_INSTANCE_UID = path_of("SOPInstanceUID")
STUDY_INSTANCE_UID = path_of("StudyInstanceUID")
SERIES_INSTANCE_UID = path_of("SeriesInstanceUID")
REQUIRED_UIDS: tuple[str, ...] = (SOP_CLASS_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID, SERIES_INSTANCE_UID)
