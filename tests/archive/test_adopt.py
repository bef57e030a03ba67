"""After a person took the received content, exam, series, patient and flags say what it says; and taken back, what they said before."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from archipel import archive
from archipel.archive import Query, rows
from tests import make
from tests.archive.room import EVERYTHING, Room, copies
from tests.archive.test_review import duplicate, resolve


def patients(room: Room) -> list[str]:
    """Names by which patients are found."""
    with room.database.read() as tx:
        found = archive.find(tx, EVERYTHING, Query(archive.Level.PATIENT)).rows
    return sorted(row["00100010"]["Value"][0]["Alphabetic"] for row in found)


def found(room: Room, **match: str) -> int:
    """Number of studies that a query finds."""
    with room.database.read() as tx:
        return len(archive.find(tx, EVERYTHING, Query(archive.Level.STUDY, {path: value for path, value in match.items()})).rows)


OTHER: dict[str, Any] = {
    "PatientName": "TESTE^BERTHE", "PatientBirthDate": "19810203", "StudyDescription": "corrected", "StudyDate": "20260116",
    "AccessionNumber": "A-0002", "Modality": "CT",
}  # fmt: skip


def test_the_only_instance_is_the_word_of_its_exam(room: Room) -> None:
    first, _, conflict = duplicate(room, **OTHER)
    before = (room.exam(first.StudyInstanceUID), room.series(first.StudyInstanceUID), patients(room))
    resolve(room, conflict.id, "use_received")
    exam = room.exam(first.StudyInstanceUID)
    assert (exam.description, exam.accession_number, exam.flags) == ("corrected", "A-0002", ())
    assert patients(room) == ["TESTE^BERTHE"]
    assert room.series(first.StudyInstanceUID)[0].description == "second"
    assert found(room, **{"00100010": "teste^berthe", "00080020": "20260116"}) == 1
    assert found(room, **{"00100010": "teste^alice"}) == 0
    room.check_counts()
    resolve(room, conflict.id, "reopen")
    assert (room.exam(first.StudyInstanceUID), room.series(first.StudyInstanceUID), patients(room)) == before


def test_another_patient_id_moves_the_exam_to_that_patient(room: Room) -> None:
    first, _, conflict = duplicate(room, PatientID="T-0099", PatientName="TESTE^CLAIRE")
    resolve(room, conflict.id, "use_received")
    assert found(room, **{"00100020": "T-0099"}) == 1
    assert found(room, **{"00100020": "T-0001"}) == 0
    assert room.exam(first.StudyInstanceUID).flags == ()
    resolve(room, conflict.id, "reopen")
    assert found(room, **{"00100020": "T-0001"}) == 1
    assert room.exam(first.StudyInstanceUID).flags == ()


def test_other_instances_keep_their_word_and_the_contradiction_is_flagged(room: Room) -> None:
    first, other = make.ct_study(instances=2)
    (second,) = copies(first, {"PatientName": "TESTE^BERTHE", "StudyDescription": "corrected"})
    room.send(first, other)
    room.send(second)
    (conflict,) = room.conflicts()
    resolve(room, conflict.id, "use_received")
    exam = room.exam(first.StudyInstanceUID)
    assert (exam.description, exam.flags) == ("CT test", ("patient_mismatch",))
    (doubt,) = room.conflicts()
    assert (doubt.kind.value, doubt.received["00100010"]) == ("patient_mismatch", "TESTE^BERTHE")
    resolve(room, conflict.id, "reopen")
    assert room.exam(first.StudyInstanceUID).flags == ()
    assert [c.kind.value for c in room.conflicts()] == ["duplicate_instance"]
    resolve(room, conflict.id, "use_received")
    assert room.exam(first.StudyInstanceUID).flags == ("patient_mismatch",)
    assert [c.id for c in room.conflicts()] == [doubt.id]


def test_a_doubt_that_only_the_replaced_content_raised_goes(room: Room) -> None:
    (known,) = make.ct_study(instances=1)
    room.send(known)
    (wrong,) = make.ct_study(instances=1, PatientName="TESTE^ALCIE")
    (right,) = copies(wrong, {"PatientName": "TESTE^ALICE"})
    assert room.send(wrong)[0].flags == ("patient_attributes",)
    room.send(right)
    of_kind = {c.kind.value: c for c in room.conflicts()}
    resolve(room, of_kind["duplicate_instance"].id, "use_received")
    assert room.exam(wrong.StudyInstanceUID).flags == ()
    assert room.conflicts() == []
    assert found(room, **{"00100010": "TESTE^ALICE"}) == 2
    resolve(room, of_kind["duplicate_instance"].id, "reopen")
    assert room.exam(wrong.StudyInstanceUID).flags == ("patient_attributes",)
    with room.database.read() as tx:
        assert [row.name for row in tx.execute(select(rows.patient))] == ["TESTE^ALICE"]


def test_a_content_of_another_site_is_flagged_and_the_exam_stays_where_it_is(room: Room) -> None:
    (first,) = make.ct_study(instances=1)
    (second,) = copies(first, {"StudyDescription": "from b"})
    room.send(first)
    room.send(second, site_id="b")
    resolve(room, room.conflicts()[0].id, "use_received")
    exam = room.exam(first.StudyInstanceUID)
    assert (exam.description, exam.site_id, exam.flags) == ("from b", "a", ("other_site",))
