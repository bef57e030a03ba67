"""What people decide: conflicts and their reversal, rejections and theirs, notes, quiet time, verification."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import update

from archipel import archive, audit
from archipel.archive import Query, rows
from archipel.kit.actor import Actor
from archipel.kit.clock import SetClock
from archipel.kit.errors import Conflict, Invalid, NotFound
from archipel.kit.scope import Scope
from tests import make, servers
from tests.archive.room import EVERYTHING, Room, copies, dataset_of

PERSON = Actor("account", "claire", "Claire", "technician", "a")
SITE_A, SITE_B = Scope.of_sites(["a"], "tests"), Scope.of_sites(["b"], "tests")


def resolve(room: Room, conflict_id: str, action: str, *, scope: Scope = EVERYTHING, comment: str = "") -> archive.Conflict:
    with room.database.write() as tx:
        return archive.resolve(tx, PERSON, scope, conflict_id, action, comment)


def duplicate(room: Room, **other: Any) -> tuple[Dataset, Dataset, archive.Conflict]:
    """An instance, another content under its UID, and the conflict."""
    (first,) = make.ct_study(instances=1)
    (second,) = copies(first, {"SeriesDescription": "second", "InstanceNumber": 7, **other})
    room.send(first)
    room.send(second)
    return first, second, room.conflicts()[0]


# --- conflicts --------------------------------------------------------------------------------------------------------------------


def test_keeping_the_archived_changes_nothing_but_the_list(room: Room) -> None:
    first, second, conflict = duplicate(room)
    decided = resolve(room, conflict.id, "keep_archived", comment="same slice, resent")
    assert (decided.state, decided.action, decided.resolved_by, decided.comment) == (
        "resolved", "keep_archived", "claire", "same slice, resent",
    )  # fmt: skip
    assert room.conflicts() == []
    assert room.dataset(first.SOPInstanceUID) == dataset_of(first)
    assert room.fates(second) == ["kept_aside"]
    assert room.conflicts() == []
    assert ("ConflictResolved", conflict.id) in [(n, p["conflict_id"]) for n, p in room.changes("ConflictResolved")]


def test_taking_the_received_exchanges_both_and_can_be_taken_back(room: Room) -> None:
    first, second, conflict = duplicate(room, NumberOfFrames=1)
    resolve(room, conflict.id, "use_received")
    assert room.dataset(first.SOPInstanceUID) == dataset_of(second)
    (ref,) = room.refs(sop_instance_uid=first.SOPInstanceUID)
    assert ref.number == 7
    room.check_counts()
    assert room.damage() == []
    assert room.fates(second) == ["already_stored"]
    assert archive.orphans(room.database, room.blobs) == []
    reopened = resolve(room, conflict.id, "reopen")
    assert (reopened.state, reopened.actions) == ("open", ("keep_archived", "use_received"))
    assert reopened.differences == conflict.differences
    assert room.dataset(first.SOPInstanceUID) == dataset_of(first)
    assert room.refs(sop_instance_uid=first.SOPInstanceUID)[0].number == 1
    room.check_counts()
    assert room.damage() == []
    resolve(room, conflict.id, "use_received")
    assert room.dataset(first.SOPInstanceUID) == dataset_of(second)


def test_taking_a_received_object_of_many_frames_brings_its_frames(room: Room) -> None:
    first = make.with_pixels(make.instance("1.2.840.10008.5.1.4.1.1.7.3", "OT"), frames=1)
    (second,) = copies(first, {"InstanceNumber": 2})
    make.with_pixels(second, frames=5)
    room.send(first)
    room.send(second)
    resolve(room, room.conflicts()[0].id, "use_received")
    (ref,) = room.refs(sop_instance_uid=first.SOPInstanceUID)
    assert ref.frame_count == 5
    with room.database.read() as tx:
        page = archive.find(tx, EVERYTHING, Query(archive.Level.IMAGE, {"00080018": str(first.SOPInstanceUID)}))
    assert page.rows[0]["00280008"]["Value"] == [5]


def test_a_decision_is_made_once_and_only_among_the_actions_offered(room: Room) -> None:
    _, _, conflict = duplicate(room)
    with pytest.raises(Invalid):
        resolve(room, conflict.id, "delete_everything")
    resolve(room, conflict.id, "keep_archived")
    with pytest.raises(Conflict):
        resolve(room, conflict.id, "use_received")
    with pytest.raises(NotFound):
        resolve(room, "0" * 32, "keep_archived")
    with pytest.raises(NotFound):
        resolve(room, "", "keep_archived")


def test_two_people_who_decide_at_once_decide_once(room: Room) -> None:
    import threading

    first, second, conflict = duplicate(room)
    together, fates = threading.Barrier(2), []

    def decide() -> None:
        together.wait()
        try:
            resolve(room, conflict.id, "use_received")
            fates.append("done")
        except Conflict:
            fates.append("conflict")

    threads = [threading.Thread(target=decide) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(fates) == ["conflict", "done"]
    assert room.dataset(first.SOPInstanceUID) == dataset_of(second)


def test_flags_go_when_their_last_conflict_is_settled_and_come_back_with_it(room: Room) -> None:
    (first,) = make.ct_study(instances=1)
    room.send(first)
    (other,) = make.ct_study(instances=1, StudyInstanceUID=first.StudyInstanceUID, PatientID="T-0002")
    room.send(other, site_id="b")
    assert room.exam(first.StudyInstanceUID).flags == ("other_site", "patient_mismatch")
    of_kind = {c.kind.value: c for c in room.conflicts()}
    resolve(room, of_kind["patient_mismatch"].id, "confirm_same_patient")
    assert room.exam(first.StudyInstanceUID).flags == ("other_site",)
    resolve(room, of_kind["other_site"].id, "accept")
    assert room.exam(first.StudyInstanceUID).flags == ()
    (again,) = make.ct_study(instances=1, StudyInstanceUID=first.StudyInstanceUID, PatientID="T-0002")
    assert room.send(again, site_id="b")[0].flags == ()  # a person has settled this very doubt
    (new,) = make.ct_study(instances=1, StudyInstanceUID=first.StudyInstanceUID, PatientID="T-0003")
    assert room.send(new, site_id="b")[0].flags == ("patient_mismatch",)
    resolve(room, of_kind["other_site"].id, "reopen")
    assert room.exam(first.StudyInstanceUID).flags == ("other_site", "patient_mismatch")


def test_conflicts_show_within_the_scope_only(room: Room) -> None:
    _, _, conflict = duplicate(room)
    assert room.conflicts(scope=SITE_A)
    assert room.conflicts(scope=SITE_B) == []
    with room.database.read() as tx:
        assert archive.count_conflicts(tx, SITE_A) == 1
        assert archive.count_conflicts(tx, SITE_B) == 0
        with pytest.raises(NotFound):
            archive.conflict_with_id(tx, SITE_B, conflict.id)
    with pytest.raises(NotFound):
        resolve(room, conflict.id, "use_received", scope=SITE_B)


def test_same_pixels_tells_a_changed_header_from_a_changed_image(room: Room) -> None:
    _, _, header_only = duplicate(room)
    (first,) = make.ct_study(instances=1)
    (second,) = copies(first, {})
    second.PixelData = bytes(len(second.PixelData))
    room.send(first)
    room.send(second)
    (image,) = [c for c in room.conflicts() if c.id != header_only.id]
    with room.database.read() as tx:
        assert archive.same_pixels(tx, room.blobs, EVERYTHING, header_only.id) is True
        assert archive.same_pixels(tx, room.blobs, EVERYTHING, image.id) is False


# --- rejection --------------------------------------------------------------------------------------------------------------------


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


def settle(room: Room) -> list[str]:
    room.follow()
    before = len(room.changes("StudySettled"))
    room.database.transact(archive.settle_due)
    return [p["study_uid"] for _, p in room.changes("StudySettled")[before:]]


def test_a_study_settles_after_the_quiet_time_and_again_when_it_grows(make_room: Callable[..., Room]) -> None:
    room = make_room(quiet_s=60)
    clock = room.clock
    assert isinstance(clock, SetClock)
    one, other = make.ct_study(instances=3), make.ct_study(instances=1)
    room.send(*one[:2])
    assert settle(room) == []
    clock.advance(59)
    room.send(*other)
    assert settle(room) == []
    clock.advance(2)
    assert settle(room) == [one[0].StudyInstanceUID]
    assert room.exam(one[0].StudyInstanceUID).settled
    assert settle(room) == []
    room.send(one[2])
    assert not room.exam(one[0].StudyInstanceUID).settled
    assert settle(room) == []
    clock.advance(61)
    assert sorted(settle(room)) == sorted([one[0].StudyInstanceUID, other[0].StudyInstanceUID])
    assert [p["instance_count"] for _, p in room.changes("StudySettled") if p["study_uid"] == one[0].StudyInstanceUID] == [2, 3]


def test_each_arrival_starts_the_quiet_time_again(make_room: Callable[..., Room]) -> None:
    room = make_room(quiet_s=60)
    clock = room.clock
    assert isinstance(clock, SetClock)
    for ds in make.ct_study(instances=4):
        room.send(ds)
        assert settle(room) == []
        clock.advance(50)
    clock.advance(11)
    assert len(settle(room)) == 1


def test_the_quiet_time_survives_a_restart(make_room: Callable[..., Room]) -> None:
    room = make_room(quiet_s=60)
    study = make.ct_study(instances=1)
    room.send(*study)
    room.follow()
    room.receiver.drain()
    later = make_room(quiet_s=60, clock=SetClock(datetime(2026, 1, 15, 10, 2, tzinfo=UTC)))
    assert settle(later) == [study[0].StudyInstanceUID]
    room.receiver = room.new_receiver()


def test_replaying_the_quiet_timer_from_zero_finds_what_has_not_settled(make_room: Callable[..., Room]) -> None:
    from archipel.kit import feed

    room = make_room(quiet_s=60)
    clock = room.clock
    assert isinstance(clock, SetClock)
    settled, waiting = make.ct_study(instances=1), make.ct_study(instances=1)
    room.send(*settled)
    room.follow()
    clock.advance(61)
    settle(room)
    clock.advance(1)
    room.send(*waiting)
    timer = feed.follower_named(archive.followers(room.blobs, quiet_s=60), "archive.quiet_timer")
    assert feed.replay(room.database, timer, 0) == 1
    clock.advance(61)
    room.database.transact(archive.settle_due)
    assert [p["study_uid"] for _, p in room.changes("StudySettled")] == [settled[0].StudyInstanceUID, waiting[0].StudyInstanceUID]


# --- verification -----------------------------------------------------------------------------------------------------------------


def test_flipped_bits_cut_and_missing_blobs_are_found(make_room: Callable[..., Room], tmp_path: Path) -> None:
    room = make_room(group_count_max=1)
    study = make.ct_study(instances=5)
    room.send(*study)
    refs = sorted(room.refs(study_uid=study[0].StudyInstanceUID), key=lambda r: r.sop_instance_uid)
    flipped, cut, missing, moved, whole = refs
    for ref, change in ((flipped, "flip"), (cut, "cut")):
        data = bytearray(room.blobs.read(ref.blob_key, 0, 1 << 20))
        room.blobs.delete(ref.blob_key)
        if change == "flip":
            data[-1] ^= 1
        room.blobs.put(ref.blob_key, [bytes(data) if change == "flip" else bytes(data[:-1])])
    room.blobs.delete(missing.blob_key)
    with room.database.write() as tx:
        tx.execute(update(rows.instance).where(rows.instance.c.sop_instance_uid == moved.sop_instance_uid).values(offset=moved.offset + 2))
    found_damage = {d.sop_instance_uid: d.reason for d in room.damage()}
    assert set(found_damage) == {flipped.sop_instance_uid, cut.sop_instance_uid, missing.sop_instance_uid, moved.sop_instance_uid}
    assert "differ" in found_damage[flipped.sop_instance_uid]
    assert "missing" in found_damage[cut.sop_instance_uid]
    assert whole.sop_instance_uid not in found_damage


def test_damage_to_what_is_kept_aside_is_found(make_room: Callable[..., Room]) -> None:
    room = make_room(group_count_max=1)
    duplicate(room)
    assert room.damage() == []
    used = {ref.blob_key for ref in room.refs(patient=("T-0001", ""))}
    (kept,) = [key for key, _ in room.blobs.list("received") if key not in used]
    room.blobs.delete(kept)
    assert len(room.damage()) == 1


def test_blobs_that_nothing_refers_to_are_orphans(room: Room) -> None:
    _, _, conflict = duplicate(room)
    assert archive.orphans(room.database, room.blobs) == []
    room.blobs.put("received/20260115/left", [b"by a crash"])
    assert archive.orphans(room.database, room.blobs) == [("received/20260115/left", 10)]
    resolve(room, conflict.id, "use_received")
    assert archive.orphans(room.database, room.blobs) == [("received/20260115/left", 10)]


def test_sending_a_kept_content_again_leaves_no_orphans(room: Room) -> None:
    _, second, _ = duplicate(room)
    for _ in range(3):
        room.send(second)
    assert archive.orphans(room.database, room.blobs) == []


def test_more_than_a_page_is_verified(room: Room) -> None:
    if room.backend.name != "sqlite-files":
        pytest.skip("once is enough")
    page = import_module("archipel.archive.verify").PAGE
    study = make.ct_study(instances=page + 3, size=2)
    for start in range(0, len(study), 200):
        room.send(*study[start : start + 200])
    assert sum(1 for _ in archive.verify(room.database, room.blobs)) == page + 3
