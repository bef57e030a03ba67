"""Notes that peers send: each acts once and by itself, and a person's word stands above it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import DeflatedExplicitVRLittleEndian

from archipel import archive, audit
from archipel.kit import feed
from tests import make
from tests.archive.room import EVERYTHING, Room
from tests.archive.test_rebuild import lose
from tests.archive.test_rebuild import run as rebuilt
from tests.archive.test_rejection import note, reject
from tests.archive.test_review import PERSON, resolve


def shown(room: Room, some: list[Dataset]) -> int:
    """How many of these instances are not hidden."""
    return len([ds for ds in some if room.refs(sop_instance_uid=ds.SOPInstanceUID)])


def revoke(room: Room, study_uid: str) -> None:
    with room.database.write() as tx:
        archive.revoke_rejections(tx, PERSON, EVERYTHING, study_uid)


def another(room: Room, study_uid: str) -> None:
    """One more instance of an exam, which has its notes looked at again."""
    room.send(*make.ct_study(instances=1, StudyInstanceUID=study_uid))
    room.follow()


def test_a_note_that_finds_nothing_to_hide_hides_nothing_after_a_person_shows_it_again(room: Room) -> None:
    study = make.ct_study(instances=2)
    uid = study[0].StudyInstanceUID
    room.send(*study)
    reject(room, uid)
    room.send(note(room, study))
    room.follow()
    with room.database.read() as tx:
        assert sorted(r.instance_count for r in archive.rejections(tx, EVERYTHING, uid)) == [0, 2]
    assert len(room.changes("InstanceRejected")) == 1
    revoke(room, uid)
    another(room, uid)
    assert shown(room, study) == 2
    room.check_counts()


def test_a_note_that_comes_before_what_it_names_hides_it_when_it_comes(room: Room) -> None:
    study = make.ct_study(instances=3)
    room.send(study[0])
    early = note(room, study[:1])
    item = early.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    item.ReferencedSOPInstanceUID = study[1].SOPInstanceUID
    room.send(early)
    room.follow()
    assert shown(room, study[:1]) == 1
    room.send(*study[1:])
    room.follow()
    assert [shown(room, [ds]) for ds in study] == [1, 0, 1]
    room.check_counts()


def _broken(sent: Dataset, how: str) -> bytes:
    if how == "text for a sequence":
        sent[0x0040A375] = DataElement(0x0040A375, "LO", "x")
    elif how == "text for an inner sequence":
        sent.CurrentRequestedProcedureEvidenceSequence[0][0x00081115] = DataElement(0x00081115, "LO", "x")
    elif how == "text for the title":
        sent[0x0040A043] = DataElement(0x0040A043, "LO", "x")
    data = make.part10(sent)
    if how == "a number that is none":
        whole = b"\x08\x00\x00\x01SH\x06\x00113001"
        assert whole in data
        data = data.replace(whole, b"\x08\x00\x00\x01IS\x06\x0011300x")
    return data


@pytest.mark.parametrize("how", ["text for a sequence", "text for an inner sequence", "text for the title", "a number that is none"])
def test_a_note_that_cannot_be_read_does_not_keep_others_from_acting(room: Room, how: str) -> None:
    study = make.ct_study(instances=3)
    room.send(*study)
    bad, good = note(room, study[:1]), note(room, study[1:])
    assert [outcome.fate.value for outcome in room.send(_broken(bad, how))] == ["stored"]
    room.follow()
    room.send(good)
    room.follow()
    assert [shown(room, [ds]) for ds in study] == [1, 0, 0]
    with room.database.read() as tx:
        assert feed.parked_changes(tx) == []


def test_a_note_whose_bytes_are_lost_does_not_keep_others_from_acting(make_room: Any) -> None:
    room = make_room(group_count_max=1)
    study = make.ct_study(instances=2)
    room.send(*study)
    lost, good = note(room, study[:1]), note(room, study[1:])
    room.send(lost)
    (ref,) = room.refs(sop_instance_uid=lost.SOPInstanceUID)
    room.blobs.delete(ref.blob_key)
    room.send(good)
    room.follow()
    assert [shown(room, [ds]) for ds in study] == [1, 0]
    with room.database.read() as tx:
        assert feed.parked_changes(tx) == []


def test_a_deflated_note_acts_too(room: Room) -> None:
    study = make.ct_study(instances=2)
    room.send(*study)
    sent, out = note(room, study), io.BytesIO()
    sent.file_meta = FileMetaDataset()
    sent.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dcmwrite(out, sent, enforce_file_format=True)
    assert room.fates(out.getvalue()) == ["stored"]
    room.follow()
    assert shown(room, study) == 0


# --- the sender's right -----------------------------------------------------------------------------------------------------------


def test_a_note_of_a_sender_who_may_not_reject_is_kept_and_hides_nothing(room: Room) -> None:
    study = make.ct_study(instances=2)
    room.send(*study)
    sent = note(room, study)
    assert [o.fate.value for o in room.send(sent, may_reject=False)] == ["stored"]
    room.follow()
    another(room, study[0].StudyInstanceUID)
    assert shown(room, study) == 2
    with room.database.read() as tx:
        assert archive.rejections(tx, EVERYTHING, study[0].StudyInstanceUID) == []
        acts = [(r.action, r.object_id, r.outcome.value) for r in audit.trace(tx, study[0].StudyInstanceUID)]
    assert [act for act in acts if act[0] == "archive.reject"] == [("archive.reject", sent.SOPInstanceUID, "refused")]
    room.send(sent, site_id="b")  # who may, but not there
    room.follow()
    assert shown(room, study) == 2
    assert room.send(sent)[0].fate.value == "already_stored"
    room.follow()
    assert shown(room, study) == 0
    room.check_counts()


def test_the_right_of_a_note_goes_with_its_content(room: Room) -> None:
    study = make.ct_study(instances=2)
    room.send(*study)
    harmless, rejecting = note(room, study), note(room, study)
    harmless.ConceptNameCodeSequence[0].CodeValue = "113000"
    rejecting.SOPInstanceUID, rejecting.SeriesInstanceUID = harmless.SOPInstanceUID, harmless.SeriesInstanceUID
    room.send(harmless, may_reject=False)
    with room.database.read() as tx:
        assert "archive.reject" not in {r.action for r in audit.trace(tx, study[0].StudyInstanceUID)}  # it asks for nothing
    assert room.send(rejecting, may_reject=False)[0].fate.value == "kept_aside"
    (conflict,) = [c for c in room.conflicts() if c.kind == "duplicate_instance"]
    resolve(room, conflict.id, "use_received")
    another(room, study[0].StudyInstanceUID)
    assert shown(room, study) == 2
    room.send(rejecting)
    room.follow()
    assert shown(room, study) == 0


def test_a_note_without_effect_has_none_after_a_rebuild(room: Room) -> None:
    study = make.ct_study(instances=2)
    room.send(*study)
    sent = note(room, study)
    room.send(sent, may_reject=False)
    room.follow()
    room.seal()
    lose(room)
    assert [step.refused for step in rebuilt(room)] == [[]] * len(archive.rebuild_objects(room.blobs))
    room.follow()
    assert shown(room, study) == 2
    assert len(room.refs(sop_instance_uid=sent.SOPInstanceUID)) == 1
