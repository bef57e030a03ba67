"""Documents that are no DICOM yet: wrapped with the exam or the patient that they belong to."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from archipel import archive, sharing
from archipel.archive import Incoming, Source
from archipel.dicom.index import path_of
from archipel.dicom.wrap import attributes_of
from archipel.kit.errors import ArchipelError, Invalid, LimitReached, Unavailable
from archipel.kit.scratch import Scratch
from archipel.kit.spool import Spooled
from archipel.web.answers import OWN_ISSUERS
from archipel.web.parts import Call, Parts

CHUNK_BYTES = 1 << 20
# Longest values of the VRs that a person types: LO 64, PN 64 for each group, CS 16.
LENGTH_MAX = {"patient_id": 64, "patient_name": 64, "description": 64}
SEXES = ("", "M", "F", "O")


@dataclass(frozen=True)
class Owner:
    """Whom a document belongs to: attributes of patient and study in DICOM JSON, and the site that answers for the exam."""

    attributes: dict[str, Any]
    site_id: str


# Whom the documents of a form belong to, why that cannot be said, or that the form names nobody.
Target = Owner | ArchipelError | None


def target_of(call: Call, fields: dict[str, str]) -> Target:
    """Whom documents belong to, by the fields of the form: an exam that the account may see, or a patient typed in."""
    try:
        if fields.get("study_uid"):
            return _of_exam(call, fields["study_uid"], _text(fields, "description"))
        if fields.get("patient_id") or fields.get("patient_name"):
            return Owner(_typed(call, fields), call.actor.site_id)
    except ArchipelError as error:
        return error
    return None


def wrapper(parts: Parts, target: Target, source: Source) -> Callable[[str, Spooled, str], Incoming] | None:
    """What makes an instance of a document; None when the form names nobody. It comes from the exam's site, whoever adds it."""
    if target is None:
        return None

    def wrap(kind: str, spooled: Spooled, name: str) -> Incoming:
        if isinstance(target, ArchipelError):
            raise target
        if parts.pixels is None:
            raise Unavailable("Documents cannot be wrapped now; try again.", code="no-pixels")
        try:
            with tempfile.TemporaryDirectory(dir=parts.spool.folder) as folder:
                source_of = replace(source, site_id=target.site_id)
                made = _wrapped(parts, kind, spooled, Path(folder), target.attributes, source_of, name)
        except OSError as error:
            raise LimitReached("There is no room to wrap the document.", code="out-of-space", detail=repr(error)) from error
        spooled.close()
        return made

    return wrap


def _wrapped(parts: Parts, kind: str, spooled: Spooled, folder: Path, target: dict[str, Any], source: Source, name: str) -> Incoming:
    document, dataset = Scratch(folder / "document"), Scratch(folder / "dataset")
    with spooled.open() as reading, document.open("wb") as writing:
        while chunk := reading.read(CHUNK_BYTES):
            writing.write(chunk)
    wrapped = parts.pixels.wrap(kind, document, target, dataset)
    made = parts.spool.new()
    try:
        with dataset.open() as reading:
            while chunk := reading.read(CHUNK_BYTES):
                made.write(chunk)
    except BaseException:
        made.close()
        raise
    return Incoming(made, wrapped.transfer_syntax_uid, wrapped.sop_class_uid, wrapped.sop_instance_uid, source, 0, name)


def _of_exam(call: Call, study_uid: str, description: str) -> Owner:
    with call.database.read() as tx:
        exam = archive.exam(tx, call.scope(tx, "upload"), study_uid)
        sharing.require_store_at(tx, call.actor, exam.site_id)
    attributes = attributes_of(
        PatientName=exam.patient_name, PatientID=exam.patient_id, PatientBirthDate=exam.birth_date, PatientSex=exam.sex,
        StudyInstanceUID=exam.study_uid, StudyDate=exam.study_date, StudyTime=exam.study_time, AccessionNumber=exam.accession_number,
        StudyDescription=exam.description, StudyID=exam.attributes.get(path_of("StudyID"), ""),
        ReferringPhysicianName=exam.attributes.get(path_of("ReferringPhysicianName"), ""),
        **({} if exam.issuer.startswith(OWN_ISSUERS) else {"IssuerOfPatientID": exam.issuer}), **_described(description),
    )  # fmt: skip
    return Owner(attributes, exam.site_id)


def _typed(call: Call, fields: dict[str, str]) -> dict[str, Any]:
    patient_id, name, description = (_text(fields, field) for field in ("patient_id", "patient_name", "description"))
    for field, value in (("patient_id", patient_id), ("patient_name", name)):
        if not value:
            raise Invalid("A document needs a Patient ID and a name.", code="no-target", field=field)
    if fields.get("sex", "") not in SEXES:
        raise Invalid("The sex is M, F, O or empty.", code="sex", field="sex")
    today = call.database.clock.now().strftime("%Y%m%d")
    return attributes_of(
        PatientName=name, PatientID=patient_id, PatientBirthDate=_birth_date(fields), PatientSex=fields.get("sex", ""), StudyDate=today,
        StudyDescription=description, **_described(description),
    )  # fmt: skip


def _described(description: str) -> dict[str, str]:
    return {"SeriesDescription": description, "DocumentTitle": description} if description else {}


def _birth_date(fields: dict[str, str]) -> str:
    try:
        return date.fromisoformat(fields["birth_date"]).strftime("%Y%m%d") if fields.get("birth_date") else ""
    except ValueError:
        raise Invalid("A birth date is written 1958-03-12.", code="birth-date", field="birth_date") from None


def _text(fields: dict[str, str], field: str) -> str:
    value = fields.get(field, "").strip()
    if len(value) > LENGTH_MAX[field] or "\\" in value or not value.isprintable():
        raise Invalid(f"{field} has at most {LENGTH_MAX[field]} characters, without backslash.", code="text", field=field)
    return value
