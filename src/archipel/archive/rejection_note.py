"""Rejection notes: key object selections that ask for other objects to be hidden (IHE IOCM; PS3.3 A.35.4)."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import pydicom
import structlog
from pydicom.dataset import Dataset

from archipel import audit
from archipel.archive import rows, rows_instances, rows_review
from archipel.archive.agree import agree
from archipel.archive.arrival import MADE_UP_ISSUERS, Arrival
from archipel.archive.changes import InstanceRejected, InstanceStored
from archipel.archive.model import KEY_OBJECT_SELECTION as KEY_OBJECT_SELECTION
from archipel.archive.model import InstanceRef
from archipel.archive.recount import recount
from archipel.archive.reject import REASONS, Rejection, reject, take_note
from archipel.archive.retrieve import dataset
from archipel.archive.seal import reopen
from archipel.dicom import header, uids
from archipel.dicom.index import path_of
from archipel.kit.actor import Actor
from archipel.kit.blobs import BLOB_MISSING, BLOB_UNREADABLE, Blobs
from archipel.kit.clock import from_text
from archipel.kit.database import Tx
from archipel.kit.errors import ArchipelError, Invalid
from archipel.kit.feed import Change
from archipel.kit.scope import Scope

log = structlog.get_logger(__name__)

TITLE = path_of("ConceptNameCodeSequence.CodeValue")
NOTE_BYTES_MAX = 64 << 20
SCOPE = Scope.system("archive.rejection_notes")
# What a note repeats of the exam (PS3.3 C.7.1.1, C.7.2.1); type 2 attributes are there even when empty.
OF_THE_EXAM = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName",
    "StudyID",
)  # fmt: skip


def apply_received_notes(tx: Tx, changes: Sequence[InstanceStored], *, blobs: Blobs) -> None:
    """Follower of InstanceStored: carry out the rejection notes among what arrived.

    A note acts only on exams of the site that sent it, and if its sender may reject; applying it twice changes nothing.
    """
    for study_uid in sorted({c.study_uid for c in changes}):
        refs = rows_instances.refs_of_class(tx, study_uid, KEY_OBJECT_SELECTION)
        refused = rows_review.refused_notes(tx, (ref.sop_instance_uid for ref in refs))
        for ref in refs:
            if (ref.sop_instance_uid, ref.digest) not in refused:
                _apply(tx, ref, blobs)


def note_right(tx: Tx, arrival: Arrival, *, held: Sequence[str] = ()) -> None:
    """Remember of a key object selection that arrives whether its sender may reject. ``held`` are the digests of it that are there.

    One that was held without effect and comes again from a sender of its site who may reject acts now.
    """
    if arrival.sop_class_uid != KEY_OBJECT_SELECTION:
        return
    uid, source = arrival.sop_instance_uid, arrival.source
    if source.may_reject and held and rows_review.allow_note(tx, uid, held, source.site_id):
        tx.publish(InstanceStored(arrival.study_uid, arrival.series_uid, source.site_id, 0))
    elif not source.may_reject and not held:
        rows_review.refuse_note(tx, uid, arrival.digest, source.site_id)
        if arrival.first(TITLE) not in REASONS:  # other selections ask for nothing
            return
        audit.record(
            tx, source.actor, "archive.reject", study_uid=arrival.study_uid, object_id=uid, outcome=audit.Outcome.REFUSED, reason="no-right"
        )


def replay_notes(tx: Tx) -> Iterator[Change]:
    """The studies that hold key object selections, as changes."""
    return (InstanceStored(study_uid, "", "", 0) for study_uid in rows_instances.studies_with_class(tx, KEY_OBJECT_SELECTION))


def _apply(tx: Tx, ref: InstanceRef, blobs: Blobs) -> None:
    asked = _asked(blobs, ref)
    if asked is None or asked[0] not in REASONS:
        return
    code, evidence = asked
    instance = rows_instances.known(tx, [ref.sop_instance_uid])[ref.sop_instance_uid]
    for study_uid, named in sorted(evidence.items()):
        study = rows.studies_by_uid(tx, [study_uid], lock=True).get(study_uid)
        if study is None or study.site_id != instance.site_id:
            continue
        present = [uid for uid, row in rows_instances.known(tx, named).items() if row.study_uid == study_uid and not row.rejection_id]
        standing = rows_review.rejection_of_note(tx, study_uid, ref.sop_instance_uid)
        actor = Actor("device", ref.source_ae or "unknown", site_id=study.site_id)
        if standing is None and present:
            reject(tx, actor, SCOPE, study_uid, code=code, sop_instance_uids=present, note_uid=ref.sop_instance_uid)
        elif standing is None:
            take_note(tx, actor, study, code=code, note_uid=ref.sop_instance_uid)
        elif present:
            _hide_late(tx, actor, standing, study_uid, present)


def _hide_late(tx: Tx, actor: Actor, standing: Any, study_uid: str, present: list[str]) -> None:
    """What a note names and arrives after it is hidden too, unless a person has taken the rejection back."""
    if standing.revoked_at:
        return
    reopen(tx, study_uid)
    rows_review.hide_instances(tx, standing.id, study_uid, "", present)
    rows_review.set_rejection_count(tx, standing.id, rows_review.hidden_count(tx, standing.id))
    recount(tx, study_uid)
    agree(tx, actor, study_uid)
    tx.publish(InstanceRejected(study_uid, standing.site_id, standing.id))


def _asked(blobs: Blobs, ref: InstanceRef) -> tuple[str, dict[str, list[str]]] | None:
    """The reason of a note and what it names, SOP Instance UIDs by study; None for one that cannot be read: others are not its business."""
    if ref.length_bytes > NOTE_BYTES_MAX:
        return None
    try:
        data = b"".join(dataset(blobs, ref))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they cite values
            note = _read(data, ref.transfer_syntax_uid)
            return _title(note), _evidence(note)
    except ArchipelError as error:
        if not isinstance(error, Invalid) and error.code not in (BLOB_MISSING, BLOB_UNREADABLE):  # a store that is away has lost nothing
            raise
        reason = error.code
    except (*header.READ_ERRORS, RecursionError) as error:
        reason = type(error).__name__
    log.warning("archive.note_unreadable", study_uid=ref.study_uid, sop_instance_uid=ref.sop_instance_uid, reason=reason)
    return None


def _read(data: bytes, transfer_syntax_uid: str) -> Dataset:
    syntax = pydicom.uid.UID(transfer_syntax_uid)
    file = io.BytesIO(data)
    if transfer_syntax_uid == uids.DEFLATED:
        file = io.BytesIO(header.inflate_header(file))
    return pydicom.filereader.read_dataset(file, syntax.is_implicit_VR, syntax.is_little_endian)


def _items(parent: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; none where something else stands in its place."""
    value = parent.get(keyword)
    return list(value) if isinstance(value, pydicom.Sequence) else []


def _title(note: Dataset) -> str:
    title, *_ = [*_items(note, "ConceptNameCodeSequence"), Dataset()]
    return str(title.get("CodeValue", "")) if title.get("CodingSchemeDesignator", "") == "DCM" else ""


def _evidence(note: Dataset) -> dict[str, list[str]]:
    """SOP Instance UIDs by study, from the evidence that the note lists."""
    found: dict[str, list[str]] = {}
    for study in _items(note, "CurrentRequestedProcedureEvidenceSequence"):
        for series in _items(study, "ReferencedSeriesSequence"):
            uids_of = found.setdefault(str(study.get("StudyInstanceUID", "")), [])
            uids_of += [str(item.get("ReferencedSOPInstanceUID", "")) for item in _items(series, "ReferencedSOPSequence")]
    return found


def note_ref(tx: Tx, rejection: Rejection) -> InstanceRef | None:
    """The note that a peer sent and that made this rejection, as it is stored; None for a rejection by a person."""
    found = rows_instances.refs(tx, SCOPE, sop_instance_uids=[rejection.note_uid], include_rejected=True)
    return found[0] if found else None


def own_note(tx: Tx, rejection: Rejection) -> Dataset:
    """The note that tells others of a rejection by a person; always the same for the same rejection."""
    study = rows.studies_by_uid(tx, [rejection.study_uid])[rejection.study_uid]
    patient = {keyword: study.attributes.get(path_of(keyword), "") for keyword in OF_THE_EXAM}
    if study.patient_id and not study.issuer.startswith(MADE_UP_ISSUERS):
        patient["IssuerOfPatientID"] = study.attributes.get(path_of("IssuerOfPatientID"), "") or study.issuer
    rejected = rows_instances.refs(tx, SCOPE, study_uids=[rejection.study_uid], rejection_id=rejection.id)
    return make_note(rejected, code=rejection.code, patient=patient, at=from_text(rejection.at), note_uid=rejection.note_uid)


def note_bytes(note: Dataset, transfer_syntax_uid: str) -> bytes:
    """A note's dataset in an uncompressed transfer syntax."""
    syntax = pydicom.uid.UID(transfer_syntax_uid)
    out = pydicom.filebase.DicomBytesIO()
    out.is_implicit_VR, out.is_little_endian = syntax.is_implicit_VR, syntax.is_little_endian
    pydicom.filewriter.write_dataset(out, note)
    return bytes(out.getvalue())


def make_note(rejected: Sequence[InstanceRef], *, code: str, patient: dict[str, str], at: datetime, note_uid: str) -> Dataset:
    """A rejection note for instances of one study. ``patient`` gives PatientName, PatientID and the like by keyword."""
    note = Dataset()
    for keyword, value in patient.items():
        setattr(note, keyword, value)
    note.SpecificCharacterSet = "ISO_IR 192"
    note.SOPClassUID, note.SOPInstanceUID = KEY_OBJECT_SELECTION, note_uid
    note.StudyInstanceUID, note.SeriesInstanceUID = rejected[0].study_uid, uids.derived_uid("rejection-note", note_uid)
    note.Modality, note.SeriesNumber, note.InstanceNumber, note.Manufacturer = "KO", 9999, 1, "Archipel"
    note.ReferencedPerformedProcedureStepSequence = []
    note.ContentDate, note.ContentTime = at.strftime("%Y%m%d"), at.strftime("%H%M%S")
    note.ValueType, note.ContinuityOfContent = "CONTAINER", "SEPARATE"
    note.ConceptNameCodeSequence = [_code(code, REASONS[code])]
    note.CurrentRequestedProcedureEvidenceSequence = [_study_item(rejected)]
    note.ContentSequence = [_image_item(ref) for ref in rejected]
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "2010"
    note.ContentTemplateSequence = [template]
    return note


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def _sop(ref: InstanceRef) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = ref.sop_class_uid, ref.sop_instance_uid
    return item


def _study_item(rejected: Sequence[InstanceRef]) -> Dataset:
    by_series: dict[str, list[InstanceRef]] = {}
    for ref in rejected:
        by_series.setdefault(ref.series_uid, []).append(ref)
    study = Dataset()
    study.StudyInstanceUID, study.ReferencedSeriesSequence = rejected[0].study_uid, []
    for series_uid, refs in by_series.items():
        series = Dataset()
        series.SeriesInstanceUID, series.ReferencedSOPSequence = series_uid, [_sop(ref) for ref in refs]
        study.ReferencedSeriesSequence.append(series)
    return study


def _image_item(ref: InstanceRef) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ReferencedSOPSequence = "CONTAINS", [_sop(ref)]
    item.ValueType = "IMAGE" if ref.pixel_data_offset is not None else "COMPOSITE"
    return item
