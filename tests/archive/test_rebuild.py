"""An index that is made again from the objects alone equals the one that was lost."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from sqlalchemy import delete, select

from archipel import archive, audit, directory
from archipel.archive import Fate, rows, rows_review, rows_sealed, sealed_object
from archipel.archive.rebuild import Step
from archipel.directory import Device, Site
from archipel.directory import rows as directory_rows
from archipel.kit import rows as kit_rows
from tests import make
from tests.archive.room import EVERYTHING, SYSTEM, Room, copies, dataset_of
from tests.archive.test_packing import image

pytestmark = pytest.mark.bytes_lie_open
INDEX = (
    rows_sealed.sealed_uid, rows_sealed.sealed, rows_sealed.let_go, rows_review.conflict, rows_review.rejection, rows.quiet, rows.instance,
    rows.series, rows.study, rows.patient, kit_rows.change,
)  # fmt: skip
COMPARED = (rows.patient, rows.study, rows.series, rows_review.rejection, rows_sealed.let_go)


def state(room: Room) -> dict[str, Any]:
    """All rows of the index, instances of open and of sealed series alike, by table."""
    with room.database.read() as tx:
        found: dict[str, Any] = {
            table.name: sorted((tuple(row) for row in tx.execute(select(table))), key=repr) for table in COMPARED
        }  # fmt: skip
        studies = [row.study_uid for row in tx.execute(select(rows.study.c.study_uid))]
        found["open"] = sorted(row for uid in studies for row in rows_sealed.open_rows(tx, uid))
        sealed = rows_sealed.page(tx, 0, 1000)
        found["sealed"] = sorted((one.study_uid, one.series_uid, one.blob_key, one.rows) for one in sealed)
        hashes = tx.execute(select(rows_sealed.sealed_uid.c.uid_hash)).scalars()
        found["hashes"] = sorted(hashes)
        found["sites"] = directory.sites(tx)
    return found


def lose(room: Room, *, sites: bool = True) -> None:
    """Lose the index, and the directory with it."""
    room.blobs.close()
    with room.database.write() as tx:
        for table in INDEX:
            tx.execute(delete(table))
        if sites:
            tx.execute(delete(directory_rows.site))


def run(room: Room, some: list[tuple[str, int]] | None = None) -> list[Step]:
    """Rebuild all, or from some objects."""
    listed = archive.rebuild_objects(room.blobs) if some is None else some
    return list(archive.rebuild(room.database, room.blobs, room.spool, SYSTEM, listed))


def refused(steps: list[Step]) -> list[str]:
    return [reason for step in steps for reason in step.refused]


def mixed(room: Room) -> dict[str, list[Dataset]]:
    """Open, sealed, packed, late, rejected, of two sites, sealed more than once."""
    made = {
        "sealed": make.ct_study(series=2, instances=3),
        "packed": [image("u2", InstanceNumber=n, StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.4") for n in (1, 2, 3)],
        "theirs": make.mr_study(instances=3, IssuerOfPatientID=None, PatientID="77", PatientName="TESTE^BOB"),
        "rejected": make.ct_study(instances=3, PatientID="T-0002"),
    }
    for name, study in made.items():
        room.send(*study, site_id="b" if name == "theirs" else "a", ae_title="MR-B" if name == "theirs" else "MODALITY")
    room.seal()
    reject = {"code": "113001", "comment": "tests", "sop_instance_uids": [str(made["rejected"][0].SOPInstanceUID)]}
    room.database.transact(lambda tx: archive.reject(tx, SYSTEM, EVERYTHING, str(made["rejected"][0].StudyInstanceUID), **reject))
    room.seal()
    late = copies(made["sealed"][0], {"SOPInstanceUID": make.uid(), "InstanceNumber": 9})
    again = copies(made["theirs"][0], {"SOPInstanceUID": make.uid(), "InstanceNumber": 9})
    room.send(*again, site_id="b", ae_title="MR-B")
    room.seal(str(again[0].StudyInstanceUID))  # the first object is superseded, and not yet swept
    room.send(*late)
    opened = make.ct_study(instances=2, PatientID="T-0003")
    room.send(*opened)
    theirs = make.mr_study(instances=2, IssuerOfPatientID=None, PatientID="78")
    room.send(*theirs, site_id="b", ae_title="MR-B")
    return made | {"late": late, "again": again, "open": opened, "open_theirs": theirs}


def test_a_rebuilt_index_equals_the_lost_one(room: Room) -> None:
    made = mixed(room)
    before = state(room)
    assert {row.packed != "" for one in before["sealed"] for row in one[3]} == {True, False}
    assert any(row.rejection_id for one in before["sealed"] for row in one[3])
    assert len(before["open"]) == 5
    lose(room)
    steps = run(room)
    assert refused(steps) == []
    assert not any(step.guessed for step in steps)
    after = state(room)
    assert after.pop("sites") == before.pop("sites")
    ids = {new[0]: old[0] for new, old in zip(_by_key(after), _by_key(before), strict=True)}  # of patients who have open exams only
    for table in ("archive_patient", "archive_study"):
        after[table] = sorted((tuple(ids.get(v, v) if isinstance(v, str) else v for v in row) for row in after[table]), key=repr)
    let_go = {key for key, _ in after.pop("archive_let_go")}
    assert let_go == {key for key, _ in before.pop("archive_let_go") if key.startswith("sealed/")}
    assert after == before
    for ds in (one for study in made.values() for one in study):
        (ref,) = room.refs(sop_instance_uid=str(ds.SOPInstanceUID), include_rejected=True)
        assert b"".join(archive.dataset(room.blobs, ref)) == dataset_of(ds)
    assert archive.headers_of(room.blobs, room.refs(series_uid=str(made["packed"][0].SeriesInstanceUID))) is not None
    room.check_counts()
    assert room.damage() == []
    assert room.fates(made["open"][0], made["sealed"][0], made["packed"][0]) == ["already_stored"] * 3
    (standing,) = room.database.transact(
        lambda tx: archive.rejections(tx, EVERYTHING, str(made["rejected"][0].StudyInstanceUID))
    )  # fmt: skip
    assert standing.comment == "tests"


def _by_key(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Patients by (Patient ID, issuer)."""
    return sorted(found["archive_patient"], key=lambda row: (row[1], row[2]))


def test_running_it_again_changes_nothing_and_a_part_is_completed(room: Room) -> None:
    mixed(room)
    whole = state(room)
    lose(room, sites=False)
    listed = archive.rebuild_objects(room.blobs)
    run(room, listed[:2])
    run(room, listed[:4])
    steps = run(room)
    once = state(room)
    assert len(once["sealed"]) == len(whole["sealed"])
    assert len(once["open"]) == len(whole["open"])
    assert sum(step.taken for step in steps) > 0
    changes = len(room.changes())
    room.clock.advance(3600)  # type: ignore[attr-defined]
    again = run(room)
    assert state(room) == once
    assert len(room.changes()) == changes
    assert [step.taken for step in again] == [0] * len(listed)
    assert refused(again) == []


def test_a_full_index_is_left_as_it_is(room: Room) -> None:
    mixed(room)
    before = state(room)
    assert sum(step.taken + step.kept_aside for step in run(room)) == 0
    after = state(room)
    assert after == before


def test_an_older_index_gets_what_came_after(room: Room) -> None:
    study = make.ct_study(instances=3)
    room.send(*study[:1])
    room.seal()
    with room.database.read() as tx:
        older = {table: [dict(row._mapping) for row in tx.execute(select(table))] for table in reversed(INDEX)}
    room.send(*study[1:])
    room.seal()
    with room.database.write() as tx:
        for table in INDEX:
            tx.execute(delete(table))
        for table, values in older.items():
            if values:
                tx.execute(table.insert(), values)
    run(room)
    assert len(room.refs(study_uid=study[0].StudyInstanceUID)) == 3
    room.check_counts()
    assert room.damage() == []
    assert [room.dataset(ds.SOPInstanceUID) for ds in study] == [dataset_of(ds) for ds in study]
    assert room.seal() == 1
    room.check_counts()


def test_a_damaged_object_is_reported_and_the_others_are_taken(room: Room) -> None:
    good, bad = make.ct_study(instances=2), make.ct_study(instances=2)
    room.send(*bad)
    room.seal()
    ((key, size),) = room.blobs.list("sealed")
    data = bytearray(room.blobs.read(key, 0, size))
    data[size - sealed_object.TAIL.size - 5] ^= 1
    room.blobs.delete(key)
    room.blobs.put(key, [bytes(data)])
    for received, _ in list(room.blobs.list("received")):
        room.blobs.delete(received)
    room.blobs.close()
    room.send(*good)
    room.seal()
    lose(room)
    steps = run(room)
    assert [(step.key, step.refused) for step in steps if step.refused] == [
        (key, ["The sealed object cannot be read: its manifest differs from what was written."])
    ]
    assert len(room.refs(study_uid=good[0].StudyInstanceUID)) == 2
    assert room.refs(study_uid=bad[0].StudyInstanceUID) == []


def test_an_older_object_stays_while_the_later_one_is_damaged(room: Room) -> None:
    study = make.ct_study(instances=3)
    room.send(*study[:2])
    room.seal()
    ((older, _),) = room.blobs.list("sealed")
    room.send(study[2])
    room.seal()
    (later,) = {ref.blob_key for ref in room.refs(study_uid=str(study[0].StudyInstanceUID))}
    data = bytearray(room.blobs.read(later, 0, room.blobs.size(later)))
    data[room.refs(sop_instance_uid=str(study[0].SOPInstanceUID))[0].length_bytes - 1] ^= 1
    room.blobs.delete(later)
    room.blobs.put(later, [bytes(data)])
    lose(room)
    assert refused(run(room)) == ["1 of its instances are damaged where they were sealed again; it is not let go"]
    with room.database.read() as tx:
        assert older not in {key for (key,) in tx.execute(select(rows_sealed.let_go.c.blob_key))}
    assert len(room.damage()) == 1
    room.send(study[0])
    assert room.damage() == []
    assert refused(run(room)) == []


def test_torn_and_foreign_bytes_are_reported_and_what_is_whole_is_taken(room: Room) -> None:
    study = [*make.ct_study(instances=2), make.instance("1.2.840.10008.5.1.4.1.1.88.11", "SR")]
    outcomes = [room.receiver.receive(room.incoming(ds)) for ds in study]
    assert {one.fate for one in outcomes} == {Fate.STORED}
    whole = b"".join(b"".join(archive.part10(room.blobs, room.refs(sop_instance_uid=str(ds.SOPInstanceUID))[0])) for ds in study)
    files = [b"".join(archive.part10(room.blobs, room.refs(sop_instance_uid=str(ds.SOPInstanceUID))[0])) for ds in study]
    lose(room)
    for key, _ in list(room.blobs.list("received")):
        room.blobs.delete(key)
    keys = [f"received/20260115/{n:032x}" for n in range(1, 6)]
    room.blobs.put(keys[0], [files[0], files[1][:-9]])
    room.blobs.put(keys[1], [b"junk", files[1], files[2][: len(files[2]) // 2]])
    room.blobs.put(keys[2], [files[0][:-9], files[2], b"\0" * 40])
    room.blobs.put(keys[3], [files[0], b"\0" * 41])  # what a power cut leaves of a file that grew
    room.blobs.put(keys[4], [whole])
    steps = run(room)
    assert [len(step.refused) for step in steps] == [1, 2, 2, 1, 0]
    assert [step.taken for step in steps] == [1, 1, 1, 0, 0]
    assert [step.held for step in steps] == [0, 0, 0, 1, 3]
    for ds in study:
        assert room.dataset(ds.SOPInstanceUID) == dataset_of(ds)
    assert room.damage() == []


def test_a_file_within_a_file_and_bytes_behind_pixels_are_no_seams(room: Room) -> None:
    inner = make.ct_study(instances=2)
    held = [b"".join(archive.part10(room.blobs, _stored(room, ds))) for ds in inner]
    document = make.instance("1.2.840.10008.5.1.4.1.1.104.1", "DOC")
    document.MIMETypeOfEncapsulatedDocument, document.EncapsulatedDocument = "application/x", held[0] + bytes(len(held[0]) % 2)
    behind = make.ct_study(instances=1)[0]
    behind.DataSetTrailingPadding = held[1] + b"xxxx"
    objects = [document, behind, *make.ct_study(instances=1)]
    for syntax, ds in zip(("", ImplicitVRLittleEndian, ""), objects, strict=True):
        room.send(make.part10(ds, transfer_syntax_uid=syntax) if syntax else ds)
    before = state(room)
    lose(room, sites=False)
    assert refused(run(room)) == []
    after = state(room)
    assert [row.sop_instance_uid for row in after["open"]] == [row.sop_instance_uid for row in before["open"]]
    assert [row.digest for row in after["open"]] == [row.digest for row in before["open"]]


def _stored(room: Room, ds: Dataset) -> archive.InstanceRef:
    room.send(ds)
    return room.refs(sop_instance_uid=str(ds.SOPInstanceUID))[0]


def test_sites_are_asked_of_devices_then_of_what_an_ae_sent_then_guessed(room: Room) -> None:
    sealed, later = make.mr_study(instances=1, PatientID="1"), make.mr_study(instances=1, PatientID="2")
    known, unknown = make.ct_study(instances=1, PatientID="3"), make.ct_study(instances=1, PatientID="4")
    room.send(*sealed, site_id="b", ae_title="MR-B")
    room.seal()
    room.send(*later, site_id="b", ae_title="MR-B")
    room.send(*known, site_id="b", ae_title="CT-B")
    room.send(*unknown, site_id="b", ae_title="CT-X")
    lose(room)
    with room.database.write() as tx:
        directory.ensure_default_site(tx)
        directory.add_site(tx, SYSTEM, Site("c", "Site C"))
        directory.add_device(tx, SYSTEM, Device("CT-B", "127.0.0.1", 104, "c"))
    steps = run(room)
    sites = [room.exam(str(study[0].StudyInstanceUID)).site_id for study in (sealed, later, known, unknown)]
    assert sites == ["b", "b", "c", "default"]
    assert set().union(*(step.guessed for step in steps)) == {str(unknown[0].StudyInstanceUID)}


def test_a_second_content_is_kept_aside_again(room: Room) -> None:
    (ds,) = make.ct_study(instances=1)
    (other,) = copies(ds, {"PatientComments": "another"})
    room.send(ds)
    room.seal()
    room.send(other)
    (conflict,) = room.conflicts()
    room.database.transact(lambda tx: archive.resolve(tx, SYSTEM, EVERYTHING, conflict.id, "use_received"))
    room.seal()
    for key, _ in list(room.blobs.list("received")):  # as the sweeper does: what is left is two sealed objects
        room.blobs.delete(key)
    lose(room)
    assert refused(run(room)) == []
    assert room.dataset(ds.SOPInstanceUID) == dataset_of(other)
    (again,) = room.conflicts()
    assert again.kind == "duplicate_instance"
    assert room.damage() == []
    room.database.transact(lambda tx: archive.resolve(tx, SYSTEM, EVERYTHING, again.id, "use_received"))
    assert room.dataset(ds.SOPInstanceUID) == dataset_of(ds)
    assert [step.taken + step.kept_aside for step in run(room)] == [0, 0]


def test_a_doubt_about_the_patient_stands_again(room: Room) -> None:
    study = make.ct_study(instances=2)
    study[1].PatientName = "TESTE^CLAIRE"
    room.send(*study)
    room.seal()
    assert room.exam(str(study[0].StudyInstanceUID)).flags == ("patient_mismatch",)
    (before,) = room.conflicts()
    lose(room)
    run(room)
    assert room.exam(str(study[0].StudyInstanceUID)).flags == ("patient_mismatch",)
    (after,) = room.conflicts()
    assert (after.sop_instance_uid, after.differences) == (before.sop_instance_uid, before.differences)


def test_receiving_is_in_the_audit_trail(room: Room) -> None:
    study = make.ct_study(instances=2)
    room.send(*study)
    lose(room)
    run(room)
    with room.database.read() as tx:
        found = audit.trace(tx, str(study[0].StudyInstanceUID))
    assert [one.detail["door"] for one in found if one.action == "archive.receive"].count("rebuild") == 1
    assert list(room.spool.folder.iterdir()) == []
