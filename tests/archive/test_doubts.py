"""Doubt about whose exam it is: each person and each site is shown by itself, and an exam says what all that it shows says."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from pydicom.dataset import Dataset
from sqlalchemy import text

from archipel import archive, audit, directory, migrations
from archipel.archive import rows_doubt, rows_review
from archipel.archive.receive import receive_together
from archipel.directory import Site
from archipel.kit.clock import SetClock
from tests import make
from tests.archive.room import EVERYTHING, SYSTEM, Room, copies
from tests.archive.test_adopt import found, patients
from tests.archive.test_rejection import note, reject
from tests.archive.test_rejection_notes import revoke
from tests.archive.test_review import PERSON, resolve

WRONG = {"PatientID": "T-0001", "PatientName": "TESTE^ALICE", "AccessionNumber": "A-0001", "StudyDescription": "wrong"}
RIGHT = {"PatientID": "T-0002", "PatientName": "TESTE^BERTHE", "AccessionNumber": "A-0002", "StudyDescription": "right"}
MISMATCH, ATTRIBUTES, SITE = "patient_mismatch", "patient_attributes", "other_site"


def more(study_uid: str, instances: int = 1, **attributes: Any) -> list[Dataset]:
    """More instances of an exam."""
    return make.ct_study(instances=instances, StudyInstanceUID=study_uid, **attributes)


def open_of(room: Room, kind: str) -> list[archive.Conflict]:
    """The open conflicts of a kind, the first first."""
    return sorted((c for c in room.conflicts() if c.kind == kind), key=lambda c: c.id)


# --- one conflict for each person, one for each site ------------------------------------------------------------------------------


def test_each_other_person_in_an_exam_is_a_doubt_of_its_own(room: Room) -> None:
    (first,) = make.ct_study(instances=1)
    uid = first.StudyInstanceUID
    room.send(first)
    room.send(*more(uid, 3, PatientID="T-0002", PatientName="TESTE^BERTHE"))
    room.send(*more(uid, 2, PatientID="T-0003", PatientName="TESTE^CLAIRE"), *more(uid, 2, PatientID="T-0002", PatientName="TESTE^BERTHE"))
    doubts = open_of(room, MISMATCH)
    assert [c.received["00100020"] for c in doubts] == ["T-0002", "T-0003"]
    assert len(room.changes("ConflictFound")) == 2
    resolve(room, doubts[0].id, "confirm_same_patient")
    assert room.exam(uid).flags == (MISMATCH,)
    assert room.send(*more(uid, PatientID="T-0002", PatientName="TESTE^BERTHE"))[0].flags == (MISMATCH,)
    resolve(room, doubts[1].id, "confirm_same_patient")
    assert room.exam(uid).flags == ()
    assert room.send(*more(uid, PatientID="T-0003", PatientName="TESTE^CLAIRE"))[0].flags == ()
    resolve(room, doubts[0].id, "reopen")
    assert room.exam(uid).flags == (MISMATCH,)
    assert len(room.conflicts(state="")) == 2


def test_each_way_to_contradict_a_known_patient_is_a_doubt_of_its_own(room: Room) -> None:
    room.send(*make.ct_study(instances=1))
    (one,) = make.ct_study(instances=1, PatientName="TESTE^ALCIE", PatientBirthDate=None)
    uid = one.StudyInstanceUID
    room.send(one)
    room.send(*more(uid, 2, PatientName="TESTE^ALCIE", PatientBirthDate="19991231"))
    doubts = open_of(room, ATTRIBUTES)
    assert [c.received.get("00100030", "") for c in doubts] == ["", "19991231"]
    resolve(room, doubts[0].id, "confirm_same_patient")
    assert room.exam(uid).flags == (ATTRIBUTES,)
    resolve(room, doubts[1].id, "confirm_same_patient")
    assert room.exam(uid).flags == ()


def test_each_other_site_is_a_doubt_of_its_own(room: Room) -> None:
    with room.database.write() as tx:
        directory.add_site(tx, SYSTEM, Site("c", "Site C"))
    (first,) = make.ct_study(instances=1)
    uid = first.StudyInstanceUID
    room.send(first)
    room.send(*more(uid, 2), site_id="b")
    room.send(*more(uid, 2), site_id="c")
    doubts = open_of(room, SITE)
    assert len(doubts) == 2
    resolve(room, doubts[0].id, "accept")
    assert room.exam(uid).flags == (SITE,)
    resolve(room, doubts[1].id, "accept")
    assert room.exam(uid).flags == ()


def test_a_doubt_stays_while_another_instance_bears_it(room: Room) -> None:
    (first,) = make.ct_study(instances=1)
    uid = first.StudyInstanceUID
    wrong = more(uid, 2, **RIGHT)
    room.send(first, *wrong)
    (mended,) = copies(wrong[0], {"PatientID": "T-0001", "PatientName": "TESTE^ALICE"})
    room.send(mended)
    (duplicate,) = open_of(room, "duplicate_instance")
    resolve(room, duplicate.id, "use_received")
    assert room.exam(uid).flags == (MISMATCH,)
    assert len(open_of(room, MISMATCH)) == 1


def test_a_flag_stands_however_many_conflicts_are_open(make_room: Any) -> None:
    room = make_room(group_count_max=256)
    assert isinstance(room.clock, SetClock)
    (first,) = make.ct_study(instances=1)
    uid = first.StudyInstanceUID
    room.send(first)
    room.send(*more(uid, **RIGHT))
    room.clock.advance(1)
    room.send(*copies(first, *({"SeriesDescription": f"content {n}"} for n in range(205))))
    with room.database.read() as tx:
        listed = archive.conflicts(tx, EVERYTHING, study_uid=uid)
    assert {c.kind.value for c in listed} == {"duplicate_instance"}
    resolve(room, listed[0].id, "keep_archived")
    assert room.exam(uid).flags == (MISMATCH,)
    (doubt,) = [c for c in pressing(room, uid)[:1] if c.kind == MISMATCH]
    resolve(room, doubt.id, "confirm_same_patient")
    assert room.exam(uid).flags == ()
    assert [c.state for c in pressing(room, uid)] == ["open"] * 204 + ["resolved"] * 2


def pressing(room: Room, uid: str) -> list[archive.Conflict]:
    """The conflicts of an exam as its page shows them, as many as there are."""
    with room.database.read() as tx:
        return archive.conflicts(tx, EVERYTHING, study_uid=uid, pressing_first=True, limit=300)


def test_a_doubt_that_arrives_while_a_person_decides_keeps_its_flag(room: Room) -> None:
    (first,) = make.ct_study(instances=1)
    uid = first.StudyInstanceUID
    room.send(first)
    room.send(*more(uid, PatientID="T-0002"))
    (doubt,) = open_of(room, MISMATCH)
    late, issuers = room.place(more(uid, PatientID="T-0003")[0]), room.issuers()
    thread = threading.Thread(target=resolve, args=(room, doubt.id, "confirm_same_patient"))
    with room.database.write() as tx:
        receive_together(tx, [late], issuers)
        thread.start()
        time.sleep(0.5)  # it decides now, or waits for us
    thread.join(60)
    assert [c.received["00100020"] for c in open_of(room, MISMATCH)] == ["T-0003"]
    assert room.exam(uid).flags == (MISMATCH,)


# --- several contents under one UID -----------------------------------------------------------------------------------------------


def test_the_attributes_of_each_of_three_contents_go_with_its_bytes(room: Room) -> None:
    (a,) = make.ct_study(instances=1, PatientID="A", PatientName="ALPHA^A", SeriesDescription="a")
    b, c = copies(
        a, *({"PatientID": i, "PatientName": n, "SeriesDescription": i.lower()} for i, n in (("B", "BRAVO^B"), ("C", "CHARLIE^C")))
    )
    for one in (a, b, c):
        room.send(one)
    of = {x.received["00100020"]: x.id for x in room.conflicts()}

    def said() -> str:
        """Whom the bytes, the exam, its series and the lists of conflicts name as archived, in one word if they agree."""
        exam, data = room.exam(a.StudyInstanceUID), room.dataset(a.SOPInstanceUID)
        (name,) = [n for n in ("ALPHA^A", "BRAVO^B", "CHARLIE^C") if n.encode() in data]
        assert (exam.patient_name, exam.patient_id, exam.flags) == (name, name[0], ())
        assert room.series(a.StudyInstanceUID)[0].description == name[0].lower()
        assert found(room, **{"00100010": name}) == 1
        shown = [x for x in room.conflicts(state="") if x.kind == "duplicate_instance"]
        assert {x.archived["00100010"] for x in shown} == {name}
        assert sorted([name, *(x.received["00100010"] for x in shown)]) == ["ALPHA^A", "BRAVO^B", "CHARLIE^C"]
        return name[0]

    steps = [("B", "use_received"), ("C", "use_received"), ("B", "reopen"), ("B", "use_received"), ("C", "reopen")]
    names = [said()]
    for which, action in steps:
        resolve(room, of[which], action)
        names.append(said())
    assert names == ["A", "B", "C", "A", "C", "B"]
    assert room.damage() == []


def test_a_content_beside_an_exchanged_one_is_compared_with_what_is_archived_now(room: Room) -> None:
    (a,) = make.ct_study(instances=1, PatientName="ALPHA^A")
    others = more(a.StudyInstanceUID, PatientName="ALPHA^A")
    b, c = copies(a, {"PatientName": "BRAVO^B"}, {"PatientName": "CHARLIE^C"})
    room.send(a, *others)
    room.send(b)
    resolve(room, open_of(room, "duplicate_instance")[0].id, "use_received")
    room.send(c)
    (conflict,) = open_of(room, "duplicate_instance")
    assert (conflict.archived["00100010"], conflict.received["00100010"]) == ("BRAVO^B", "CHARLIE^C")


def test_a_content_that_never_agreed_with_its_exam_is_shown_by_the_name_it_bears(room: Room) -> None:
    (first,) = make.ct_study(instances=1)
    (other,) = more(first.StudyInstanceUID, **RIGHT)
    room.send(first, other)
    room.send(*copies(other, {"PatientName": "TESTE^CLAIRE"}))
    (conflict,) = open_of(room, "duplicate_instance")
    assert (conflict.archived["00100010"], conflict.archived["00100020"]) == ("TESTE^BERTHE", "T-0002")


# --- an exam says what all that it shows says -------------------------------------------------------------------------------------


def says(room: Room, uid: str) -> tuple[str, ...]:
    """Patient ID, accession number, description of an exam, which must be found by these alone, and its flags."""
    exam = room.exam(uid)
    for one in (WRONG, RIGHT):
        is_it = one["PatientID"] == exam.patient_id
        assert found(room, **{"00100020": one["PatientID"]}) == is_it * (not exam.rejected)
        assert found(room, **{"00100010": one["PatientName"]}) == is_it * (not exam.rejected)
    return exam.patient_id, exam.accession_number, exam.description, *exam.flags


IS_WRONG, IS_RIGHT = ("T-0001", "A-0001", "wrong"), ("T-0002", "A-0002", "right")


def test_a_corrected_exam_under_the_same_uid_bears_the_right_patient(room: Room) -> None:
    wrong = make.ct_study(instances=3, **WRONG)
    uid = wrong[0].StudyInstanceUID
    room.send(*wrong)
    reject(room, uid, code="113038")
    right = more(uid, 3, **RIGHT)
    outcomes = room.send(*right)
    assert [(o.fate.value, o.flags) for o in outcomes] == [("stored", ())] * 3
    assert says(room, uid) == IS_RIGHT
    assert patients(room) == ["TESTE^BERTHE"]
    assert room.conflicts() == []
    with room.database.read() as tx:
        assert "archive.adopt" in [r.action for r in audit.trace(tx, uid)]
    revoke(room, uid)  # both are shown: a person must look
    assert says(room, uid) == (*IS_RIGHT, MISMATCH)
    (doubt,) = room.conflicts()
    assert (doubt.archived["00100020"], doubt.received["00100020"]) == ("T-0002", "T-0001")
    reject(room, uid, sop_instance_uids=[str(ds.SOPInstanceUID) for ds in right])
    assert says(room, uid) == IS_WRONG
    assert room.conflicts() == []
    revoke(room, uid)
    assert says(room, uid) == (*IS_WRONG, MISMATCH)
    room.check_counts()


def test_rejecting_what_came_first_leaves_the_exam_to_what_came_after(room: Room) -> None:
    wrong = make.ct_study(instances=2, **WRONG)
    uid = wrong[0].StudyInstanceUID
    right = more(uid, 2, **RIGHT)
    room.send(*wrong, *right)
    assert says(room, uid) == (*IS_WRONG, MISMATCH)
    reject(room, uid, sop_instance_uids=[str(wrong[0].SOPInstanceUID)])
    assert says(room, uid) == (*IS_WRONG, MISMATCH)
    reject(room, uid, sop_instance_uids=[str(wrong[1].SOPInstanceUID)])
    assert says(room, uid) == IS_RIGHT
    late = more(uid, **WRONG)
    assert room.send(*late)[0].flags == (MISMATCH,)
    assert len(open_of(room, MISMATCH)) == 1
    reject(room, uid, sop_instance_uids=[str(ds.SOPInstanceUID) for ds in right])
    assert says(room, uid) == IS_WRONG


@pytest.mark.parametrize("note_first", [True, False])
def test_the_note_that_rejects_has_no_say(room: Room, note_first: bool) -> None:
    wrong = make.ct_study(instances=2, **WRONG)
    uid = wrong[0].StudyInstanceUID
    room.send(*wrong)
    sent, right = note(room, wrong, code="113038"), more(uid, 2, **RIGHT)
    room.send(*([sent] if note_first else right))
    room.follow()
    room.send(*(right if note_first else [sent]))
    room.follow()
    assert says(room, uid) == IS_RIGHT
    assert room.exam(uid).instance_count == 3
    with room.database.write() as tx:
        assert archive.revoke_rejections(tx, PERSON, EVERYTHING, uid) == 1
    assert says(room, uid) == (*IS_RIGHT, MISMATCH)


def test_two_persons_beside_each_other_leave_the_exam_as_it_is(room: Room) -> None:
    wrong = make.ct_study(instances=1, **WRONG)
    uid = wrong[0].StudyInstanceUID
    room.send(*wrong, *more(uid, **RIGHT), *more(uid, PatientID="T-0003", PatientName="TESTE^CLAIRE"))
    reject(room, uid, sop_instance_uids=[str(wrong[0].SOPInstanceUID)])
    assert says(room, uid) == (*IS_WRONG, MISMATCH)
    assert len(open_of(room, MISMATCH)) == 2


def test_what_a_person_took_for_one_patient_is_one_after_the_exam_changed_its_word(room: Room) -> None:
    wrong = make.ct_study(instances=2, **WRONG)
    uid = wrong[0].StudyInstanceUID
    room.send(*wrong, *more(uid, 2, **RIGHT))
    resolve(room, open_of(room, MISMATCH)[0].id, "confirm_same_patient")
    reject(room, uid, sop_instance_uids=[str(ds.SOPInstanceUID) for ds in wrong])
    assert says(room, uid) == IS_RIGHT
    revoke(room, uid)
    assert says(room, uid) == IS_RIGHT


def test_a_new_word_that_contradicts_the_patient_it_names_is_flagged(room: Room) -> None:
    room.send(*make.ct_study(instances=1, PatientID="T-0002", PatientName="TESTE^DENISE"))
    wrong = make.ct_study(instances=1, **WRONG)
    uid = wrong[0].StudyInstanceUID
    room.send(*wrong)
    reject(room, uid)
    room.send(*more(uid, 2, **RIGHT))
    assert (room.exam(uid).patient_name, room.exam(uid).flags) == ("TESTE^BERTHE", (ATTRIBUTES,))
    with room.database.read() as tx:
        assert rows_review.count_conflicts(tx, EVERYTHING, state="open", study_uid=uid) == 1


def test_an_upgrade_knows_the_first_instance_of_each_doubt(room: Room) -> None:
    wrong = make.ct_study(instances=1, **WRONG)
    uid = wrong[0].StudyInstanceUID
    right = more(uid, **RIGHT)
    room.send(*wrong, *right)
    with room.database.write() as tx:  # as the version before left it
        for table in ("archive_doubted", "archive_note_refused", "archive_verified", "archive_damage"):
            tx.execute(text(f"DROP TABLE {table}"))
        tx.execute(text("UPDATE alembic_version SET version_num = '0007'"))
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with room.database.engine.connect() as connection, connection.execution_options(archipel_write=True).begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0009")
        connection.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": migrations.head_revision()})
    with room.database.read() as tx:
        assert [rows_doubt.borne_by(tx, str(ds.SOPInstanceUID)) is not None for ds in (*wrong, *right)] == [False, True]
    reject(room, uid, sop_instance_uids=[str(wrong[0].SOPInstanceUID)])
    assert says(room, uid) == IS_RIGHT
