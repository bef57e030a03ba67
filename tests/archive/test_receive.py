"""What becomes of what arrives: stored once, kept aside, flagged, never lost and never overwritten."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from archipel import archive, audit
from archipel.archive import rows
from archipel.archive.receive import receive
from tests import make
from tests.archive.room import Room, by_fate, copies, dataset_of


def test_new_instances_are_stored_as_sent(room: Room) -> None:
    study = make.ct_study(series=2, instances=3)
    outcomes = room.send(*study)
    assert by_fate(outcomes) == {"stored": 6}
    for ds, outcome in zip(study, outcomes, strict=True):
        assert (outcome.study_uid, outcome.series_uid) == (ds.StudyInstanceUID, ds.SeriesInstanceUID)
        assert (outcome.sop_class_uid, outcome.sop_instance_uid) == (ds.SOPClassUID, ds.SOPInstanceUID)
        assert outcome.flags == ()
        assert room.dataset(ds.SOPInstanceUID) == dataset_of(ds)
    assert room.totals() == {"patients": 1, "studies": 1, "series": 2, "instances": 6}
    assert room.damage() == []
    room.check_counts()


def test_the_stored_form_is_a_file_that_others_read(room: Room) -> None:
    import io

    from pydicom import dcmread

    (ds,) = make.ct_study(instances=1)
    room.send(ds)
    (ref,) = room.refs(sop_instance_uid=ds.SOPInstanceUID)
    read = dcmread(io.BytesIO(b"".join(archive.part10(room.blobs, ref))))
    assert read.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
    assert read.file_meta.SourceApplicationEntityTitle == "MODALITY"
    assert read.PixelData == ds.PixelData
    header = archive.header_bytes(room.blobs, ref)
    assert dataset_of(ds).startswith(header)
    assert len(dataset_of(ds)) - len(header) == len(ds.PixelData) + 12


def test_the_same_again_changes_nothing(room: Room) -> None:
    study = make.ct_study(instances=3)
    room.send(*study)
    published, before = room.changes(), room.exam(study[0].StudyInstanceUID)
    assert room.fates(*study) == ["already_stored"] * 3
    assert room.changes() == published
    assert room.exam(study[0].StudyInstanceUID) == before
    assert archive.orphans(room.database, room.blobs) == []


def test_other_file_meta_around_the_same_dataset_is_the_same(room: Room) -> None:
    (ds,) = make.ct_study(instances=1)
    room.send(ds)
    outcome = room.send(ds, ae_title="OTHER", association_id="assoc-2")[0]
    assert outcome.fate == "already_stored"


def test_the_same_twice_in_one_group_is_stored_once(make_room: Callable[..., Room]) -> None:
    room = make_room(group_wait_ms=200)
    (ds,) = make.ct_study(instances=1)
    (other,) = copies(ds, {"StudyDescription": "other"})
    outcomes = room.send(ds, ds, ds, other, other)  # the order in which they are read is not the one in which they came
    first, second = by_fate(outcomes[:3]), by_fate(outcomes[3:])
    assert (first, second) in (
        ({"stored": 1, "already_stored": 2}, {"kept_aside": 2}),
        ({"kept_aside": 3}, {"stored": 1, "already_stored": 1}),
    )
    assert room.totals()["instances"] == 1
    assert len(room.conflicts()) == 1
    room.check_counts()


def test_other_content_under_a_known_uid_is_kept_aside(room: Room) -> None:
    (ds,) = make.ct_study(instances=1)
    (other,) = copies(ds, {"SeriesDescription": "other", "InstanceNumber": 9})
    room.send(ds)
    outcome = room.send(other)[0]
    assert outcome.fate == "kept_aside"
    assert room.dataset(ds.SOPInstanceUID) == dataset_of(ds)
    (conflict,) = room.conflicts()
    assert conflict.kind == "duplicate_instance"
    assert conflict.actions == ("keep_archived", "use_received")
    assert {d.keyword: (d.archived, d.received) for d in conflict.differences} == {
        "SeriesDescription": ("CT series", "other"),
        "InstanceNumber": ("1", "9"),
    }
    assert room.fates(other, other) == ["kept_aside"] * 2
    assert len(room.conflicts()) == 1
    assert room.totals()["instances"] == 1
    assert room.damage() == []


def test_a_known_uid_in_another_study_is_kept_aside_with_the_study_that_has_it(room: Room) -> None:
    (ds,) = make.ct_study(instances=1)
    (other,) = copies(ds, {"StudyInstanceUID": make.uid(), "SeriesInstanceUID": make.uid()})
    room.send(ds, site_id="b")
    assert room.fates(other, site_id="a") == ["kept_aside"]
    (conflict,) = room.conflicts()
    assert (conflict.study_uid, conflict.site_id) == (ds.StudyInstanceUID, "b")
    assert conflict.actions == ("keep_archived",)
    assert room.totals() == {"patients": 1, "studies": 1, "series": 1, "instances": 1}


def test_a_known_uid_in_another_series_cannot_replace_it(room: Room) -> None:
    (ds,) = make.ct_study(instances=1)
    (other,) = copies(ds, {"SeriesInstanceUID": make.uid()})
    room.send(ds)
    room.send(other)
    assert room.conflicts()[0].actions == ("keep_archived",)


def test_a_group_publishes_one_change_per_series_and_audits_once_per_association_and_study(make_room: Callable[..., Room]) -> None:
    room = make_room(group_wait_ms=300)
    study = make.ct_study(series=2, instances=5)
    room.send(*study)
    stored = room.changes("InstanceStored")
    assert {p["series_uid"]: p["instance_count"] for _, p in stored} == dict.fromkeys({ds.SeriesInstanceUID for ds in study}, 5)
    assert all(p["site_id"] == "a" and p["study_uid"] == study[0].StudyInstanceUID for _, p in stored)
    room.send(*make.ct_study(instances=1, StudyInstanceUID=study[0].StudyInstanceUID))
    room.send(*make.ct_study(instances=1, StudyInstanceUID=study[0].StudyInstanceUID), association_id="assoc-2")
    with room.database.read() as tx:
        records = [r for r in audit.trace(tx, study[0].StudyInstanceUID) if r.action == "archive.receive"]
    assert [r.object_id for r in records] == ["assoc-2", "assoc-1"]
    assert "TESTE" not in repr(records)


def test_sixteen_senders_of_the_first_objects_of_one_patient_make_one_patient_and_one_study(room: Room) -> None:
    """Two receivers, as two processes on PostgreSQL have, and sixteen threads: the unique keys decide."""
    study_uid = make.uid()
    studies = [make.ct_study(instances=2, StudyInstanceUID=study_uid) for _ in range(8)]
    studies += [make.ct_study(instances=2) for _ in range(8)]
    second = room.new_receiver()
    together = threading.Barrier(16)
    outcomes: list[Any] = []

    def send(n: int) -> None:
        receiver = (room.receiver, second)[n % 2]
        together.wait()
        futures = [receiver.submit(room.incoming(ds)) for ds in studies[n]]
        outcomes.extend(future.result(60) for future in futures)

    threads = [threading.Thread(target=send, args=(n,)) for n in range(16)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    second.drain()
    assert by_fate(outcomes) == {"stored": 32}
    assert all(outcome.flags == () for outcome in outcomes)
    assert room.totals() == {"patients": 1, "studies": 9, "series": 16, "instances": 32}
    room.check_counts()


def test_two_receivers_that_get_the_same_instance_at_once_store_it_once(room: Room) -> None:
    second = room.new_receiver()
    study = make.ct_study(instances=20)
    together = threading.Barrier(2)
    outcomes: list[Any] = []

    def send(receiver: archive.Receiver, objects: list[Any]) -> None:
        together.wait()
        futures = [receiver.submit(room.incoming(ds)) for ds in objects]
        outcomes.extend(future.result(60) for future in futures)

    threads = [
        threading.Thread(target=send, args=(room.receiver, study)),
        threading.Thread(target=send, args=(second, list(reversed(study)))),
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    second.drain()
    assert by_fate(outcomes) == {"stored": 20, "already_stored": 20}
    assert room.totals()["instances"] == 20
    room.check_counts()
    assert room.damage() == []


def test_a_group_that_meets_a_deadlock_is_run_again(room: Room) -> None:
    """Two groups hold each the study that the other wants next: PostgreSQL ends one, which is run again, and no instance is refused."""
    if room.database.dialect != "postgresql":
        pytest.skip("SQLite has one writer")
    one, other = make.ct_study(instances=1), make.ct_study(instances=1)
    room.send(*one, *other)
    uids = [one[0].StudyInstanceUID, other[0].StudyInstanceUID]
    new = [make.ct_study(instances=1, StudyInstanceUID=uid)[0] for uid in (*uids, *reversed(uids))]
    placed = [room.place(ds) for ds in new]
    issuers = room.issuers()
    both = threading.Barrier(2)
    outcomes: list[Any] = []

    def send(first: Any, second: Any) -> None:
        tries: list[int] = []

        def act(tx: Any) -> list[Any]:
            found = receive(tx, [first], issuers)
            if not tries:
                tries.append(1)
                both.wait(10)
            return found + receive(tx, [second], issuers)

        outcomes.extend(room.database.transact(act))

    threads = [threading.Thread(target=send, args=(placed[0], placed[1])), threading.Thread(target=send, args=(placed[2], placed[3]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert by_fate(outcomes) == {"stored": 4}
    room.check_counts()


# --- whose exam it is -------------------------------------------------------------------------------------------------------------


def flags(room: Room, *objects: Any, site_id: str = "a") -> list[tuple[str, ...]]:
    return [outcome.flags for outcome in room.send(*objects, site_id=site_id)]


def one_more(ds: Any, **attributes: Any) -> Any:
    """Another instance of the same series with other attributes."""
    (other,) = make.ct_study(instances=1, StudyInstanceUID=ds.StudyInstanceUID, **attributes)
    other.SeriesInstanceUID = ds.SeriesInstanceUID
    return other


@pytest.mark.parametrize(
    "attributes",
    [
        {"PatientID": "T-0002"}, {"IssuerOfPatientID": "OTHER"}, {"PatientName": "AUTRE^PERSONNE"}, {"PatientBirthDate": "19700201"},
        {"PatientSex": "M"}, {"PatientID": None},
    ],
)  # fmt: skip
def test_another_patient_within_a_study_is_stored_flagged_and_shown(room: Room, attributes: dict[str, Any]) -> None:
    (first,) = make.ct_study(instances=1)
    room.send(first)
    other = one_more(first, **attributes)
    outcome = room.send(other)[0]
    assert (outcome.fate, outcome.flags) == ("stored", ("patient_mismatch",))
    assert room.dataset(other.SOPInstanceUID) == dataset_of(other)
    (conflict,) = room.conflicts()
    assert (conflict.kind, conflict.study_uid, conflict.sop_instance_uid) == (
        "patient_mismatch",
        first.StudyInstanceUID,
        other.SOPInstanceUID,
    )
    assert conflict.actions == ("confirm_same_patient",)
    assert room.exam(first.StudyInstanceUID).flags == ("patient_mismatch",)
    assert room.send(one_more(first, **attributes))[0].flags == ("patient_mismatch",)
    assert len(room.conflicts()) == 1
    assert room.totals() == {"patients": 1, "studies": 1, "series": 1, "instances": 3}
    room.check_counts()


@pytest.mark.parametrize(
    ("archived", "received"),
    [
        ("TESTE^ALICE", "Testé^Alice"), ("TESTE^ALICE", "TESTE^ALICE^^^"), ("LE GOFF^ANNE-MARIE", "LE-GOFF^ANNE MARIE"),
        ("TESTE^ALICE", ""), ("Œuf^Zoé", "OEUF^ZOE"),
    ],
)  # fmt: skip
def test_case_accents_punctuation_and_absence_are_no_conflict(room: Room, archived: str, received: str) -> None:
    (first,) = make.ct_study(instances=1, PatientName=archived)
    room.send(first)
    assert flags(room, one_more(first, PatientName=received, PatientBirthDate="", PatientSex=None)) == [()]
    assert flags(room, *make.ct_study(instances=1, PatientName=received)) == [()]
    assert room.conflicts() == []


@pytest.mark.parametrize("attributes", [{"PatientName": "AUTRE^PERSONNE"}, {"PatientBirthDate": "19500101"}, {"PatientSex": "M"}])
def test_another_person_under_a_known_id_is_stored_flagged_and_shown(room: Room, attributes: dict[str, Any]) -> None:
    room.send(*make.ct_study(instances=1))
    (other,) = make.ct_study(instances=1, **attributes)
    assert flags(room, other) == [("patient_attributes",)]
    (conflict,) = room.conflicts()
    assert (conflict.kind, conflict.study_uid) == ("patient_attributes", other.StudyInstanceUID)
    assert room.totals()["patients"] == 1


def test_what_another_site_adds_is_kept_and_flagged_and_the_exam_stays_the_first_ones(room: Room) -> None:
    (first,) = make.ct_study(instances=1)
    room.send(first, site_id="a")
    assert flags(room, one_more(first), site_id="b") == [("other_site",)]
    exam = room.exam(first.StudyInstanceUID)
    assert (exam.site_id, exam.instance_count, exam.flags) == ("a", 2, ("other_site",))
    assert [c.site_id for c in room.conflicts()] == ["a"]


def test_ids_without_issuer_belong_to_the_site_that_sends_them(room: Room) -> None:
    bare = {"IssuerOfPatientID": None}
    room.send(*make.ct_study(instances=1, **bare), site_id="a")
    room.send(*make.ct_study(instances=1, PatientName="AUTRE^PERSONNE", **bare), site_id="b")
    room.send(*make.ct_study(instances=1, PatientName="AUTRE^PERSONNE", IssuerOfPatientID="HOSP-B"), site_id="a")
    assert room.conflicts() == []
    with room.database.read() as tx:
        assert set(tx.execute(select(rows.patient.c.patient_id, rows.patient.c.issuer))) == {("T-0001", "site:a"), ("T-0001", "HOSP-B")}


def test_a_universal_issuer_goes_before_the_local_one(room: Room) -> None:
    from pydicom.dataset import Dataset

    qualifiers = Dataset()
    qualifiers.UniversalEntityID, qualifiers.UniversalEntityIDType = "1.2.250.1.213", "ISO"
    for issuer in ("LOCAL-1", "LOCAL-2"):
        room.send(*make.ct_study(instances=1, IssuerOfPatientID=issuer, IssuerOfPatientIDQualifiersSequence=[qualifiers]))
    with room.database.read() as tx:
        assert list(tx.execute(select(rows.patient.c.issuer)).scalars()) == ["1.2.250.1.213"]


def test_exams_without_patient_id_stand_alone(room: Room) -> None:
    for study in (make.ct_study(instances=2, PatientID=None), make.ct_study(instances=2, PatientID="")):
        assert flags(room, *study) == [(), ()]
    assert room.totals() == {"patients": 2, "studies": 2, "series": 2, "instances": 4}
    assert room.conflicts() == []
