"""Rejection by people and by notes: hidden at every level, kept, and shown again."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from archipel import archive, audit
from archipel.archive import Query, rows
from archipel.kit.errors import Invalid, NotFound
from archipel.kit.scope import Scope
from tests import make, servers
from tests.archive.room import EVERYTHING, Room
from tests.archive.test_review import PERSON, SITE_B


def reject(room: Room, study_uid: str, *, scope: Scope = EVERYTHING, code: str = "113001", **what: Any) -> archive.Rejection:
    with room.database.write() as tx:
        return archive.reject(tx, PERSON, scope, study_uid, code=code, **what)


def found(room: Room, level: archive.Level, **query: Any) -> list[str]:
    key = {"STUDY": "0020000D", "SERIES": "0020000E", "IMAGE": "00080018"}[level.value]
    with room.database.read() as tx:
        return sorted(row[key]["Value"][0] for row in archive.find(tx, EVERYTHING, Query(level, **query)).rows)


def test_what_is_rejected_is_hidden_at_every_level_and_shown_again(room: Room) -> None:
    study = make.ct_study(series=2, instances=3)
    uid, series = study[0].StudyInstanceUID, [study[0].SeriesInstanceUID, study[3].SeriesInstanceUID]
    room.send(*study)
    before = room.exam(uid)
    reject(room, uid, sop_instance_uids=[study[0].SOPInstanceUID])
    assert study[0].SOPInstanceUID not in found(room, archive.Level.IMAGE)
    assert room.exam(uid).instance_count == 5
    assert found(room, archive.Level.STUDY, match={"00080018": str(study[0].SOPInstanceUID)}) == []
    room.check_counts()
    reject(room, uid, series_uid=series[1])
    assert found(room, archive.Level.SERIES) == [series[0]]
    assert room.refs(series_uid=series[1]) == []
    assert len(room.refs(series_uid=series[1], include_rejected=True)) == 3
    room.check_counts()
    reject(room, uid)
    assert found(room, archive.Level.STUDY) == []
    assert room.exam(uid).rejected
    assert found(room, archive.Level.STUDY, include_rejected=True) == [uid]
    room.check_counts()
    assert room.fates(study[0]) == ["already_stored"]
    assert found(room, archive.Level.STUDY) == []
    with room.database.write() as tx:
        assert len(archive.rejections(tx, EVERYTHING, uid)) == 3
        assert archive.revoke_rejections(tx, PERSON, EVERYTHING, uid) == 3
    assert room.exam(uid) == before
    assert room.damage() == []
    with room.database.read() as tx:
        acts = [r.action for r in audit.trace(tx, uid)]
    assert acts.count("archive.reject") == 3
    assert acts.count("archive.revoke_rejection") == 3
    assert len(room.changes("InstanceRejected")) == len(room.changes("RejectionRevoked")) == 3


def test_a_new_instance_of_a_rejected_exam_shows_alone(room: Room) -> None:
    study = make.ct_study(instances=3)
    room.send(*study[:2])
    reject(room, study[0].StudyInstanceUID)
    room.send(study[2])
    assert found(room, archive.Level.IMAGE) == [study[2].SOPInstanceUID]
    assert room.exam(study[0].StudyInstanceUID).instance_count == 1
    room.check_counts()


def test_rejecting_is_bounded_by_scope_reason_and_presence(room: Room) -> None:
    study = make.ct_study(instances=1)
    room.send(*study)
    uid = study[0].StudyInstanceUID
    with pytest.raises(NotFound):
        reject(room, uid, scope=SITE_B)
    with pytest.raises(Invalid):
        reject(room, uid, code="nonsense")
    with pytest.raises(NotFound):
        reject(room, uid, sop_instance_uids=["1.2.3"])
    reject(room, uid)
    with pytest.raises(NotFound):
        reject(room, uid)


def test_counts_hold_when_rejecting_and_receiving_cross(room: Room) -> None:
    import threading

    study = make.ct_study(instances=60)
    uid = study[0].StudyInstanceUID
    room.send(*study[:10])
    together = threading.Barrier(2)

    def keep_rejecting() -> None:
        together.wait()
        for ds in study[:10]:
            reject(room, uid, sop_instance_uids=[ds.SOPInstanceUID])

    thread = threading.Thread(target=keep_rejecting)
    thread.start()
    together.wait()
    for start in range(10, 60, 5):
        room.send(*study[start : start + 5])
    thread.join()
    assert room.exam(uid).instance_count == 50
    room.check_counts()


def note(room: Room, rejected: list[Dataset], *, code: str = "113001") -> Dataset:
    first = rejected[0]
    refs = [ref for ds in rejected for ref in room.refs(sop_instance_uid=ds.SOPInstanceUID, include_rejected=True)]
    patient = {k: getattr(first, k) for k in ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")}
    study = {k: getattr(first, k) for k in ("StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyID")}
    at = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
    return archive.make_note(refs, code=code, patient=patient | study, at=at, note_uid=make.uid())


def test_a_note_of_the_same_site_hides_what_it_names_once(room: Room) -> None:
    study = make.ct_study(instances=3)
    room.send(*study)
    sent = note(room, study[:2])
    assert room.fates(sent) == ["stored"]
    room.follow()
    shown = [study[2].SOPInstanceUID, sent.SOPInstanceUID]
    assert found(room, archive.Level.IMAGE) == sorted(shown)
    with room.database.read() as tx:
        (rejection,) = archive.rejections(tx, EVERYTHING, study[0].StudyInstanceUID)
    assert (rejection.note_uid, rejection.code, rejection.instance_count, rejection.by) == (sent.SOPInstanceUID, "113001", 2, "MODALITY")
    room.check_counts()
    with room.database.write() as tx:
        archive.revoke_rejections(tx, PERSON, EVERYTHING, study[0].StudyInstanceUID)
    room.send(sent)
    room.send(*make.ct_study(instances=1, StudyInstanceUID=study[0].StudyInstanceUID))
    room.follow()
    assert study[0].SOPInstanceUID in found(room, archive.Level.IMAGE)  # a person's decision stands


def test_what_a_note_names_and_arrives_late_is_hidden_too(room: Room) -> None:
    study = make.ct_study(instances=3)
    room.send(*study)
    sent = note(room, study)
    with room.database.write() as tx:  # as if the third had not come yet
        tx.execute(rows.instance.delete().where(rows.instance.c.sop_instance_uid == str(study[2].SOPInstanceUID)))
        from archipel.archive.recount import recount

        recount(tx, str(study[0].StudyInstanceUID))
    room.send(sent)
    room.follow()
    assert found(room, archive.Level.IMAGE) == [sent.SOPInstanceUID]
    room.send(study[2])
    room.follow()
    assert found(room, archive.Level.IMAGE) == [sent.SOPInstanceUID]
    with room.database.read() as tx:
        assert [r.instance_count for r in archive.rejections(tx, EVERYTHING, study[0].StudyInstanceUID)] == [3]
    room.check_counts()


def test_a_note_of_another_site_has_no_effect(room: Room) -> None:
    study = make.ct_study(instances=2)
    room.send(*study, site_id="a")
    sent = note(room, study)
    room.send(sent, site_id="b")
    room.follow()
    assert len(found(room, archive.Level.IMAGE)) == 3
    foreign = note(room, study)
    foreign.StudyInstanceUID = make.uid()
    room.send(foreign, site_id="b")
    room.follow()
    assert {ds.SOPInstanceUID for ds in study} <= set(found(room, archive.Level.IMAGE))


@pytest.mark.parametrize("change", ["title", "empty", "no evidence"])
def test_key_objects_that_are_no_rejection_have_no_effect(room: Room, change: str) -> None:
    study = make.ct_study(instances=2)
    room.send(*study)
    sent = note(room, study)
    if change == "title":
        sent.ConceptNameCodeSequence[0].CodeValue = "113000"
    elif change == "empty":
        sent.ConceptNameCodeSequence = []
    else:
        del sent.CurrentRequestedProcedureEvidenceSequence
    room.send(sent)
    room.follow()
    assert len(found(room, archive.Level.IMAGE)) == 3
    with room.database.read() as tx:
        from archipel.kit import feed

        assert feed.parked_changes(tx) == []


@pytest.mark.parametrize("code", archive.REASONS)
def test_a_note_that_we_make_is_valid(room: Room, tmp_path: Path, code: str) -> None:
    if room.backend.name != "sqlite-files":
        pytest.skip("once is enough")
    study = make.ct_study(series=2, instances=2)
    room.send(*study)
    path = tmp_path / "note.dcm"
    path.write_bytes(make.part10(note(room, study, code=code)))
    tool = servers.program("dciodvfy", peer="dicom3tools")
    done = subprocess.run([tool, str(path)], capture_output=True, text=True, timeout=60)
    assert [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")] == []
    assert "KeyObjectSelectionDocument" in done.stdout + done.stderr


# --- quiet time -------------------------------------------------------------------------------------------------------------------
