"""What people decide: conflicts, each decision and its reversal."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset

from archipel import archive
from archipel.archive import Query
from archipel.kit.actor import Actor
from archipel.kit.errors import Conflict, Invalid, NotFound
from archipel.kit.scope import Scope
from tests import make
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
