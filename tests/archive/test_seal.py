"""Sealing: a settled series becomes one object, and nobody who asks for it sees a difference."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pydicom
import pytest
from sqlalchemy import func, select, update

from archipel import archive
from archipel.archive import rows, rows_sealed, rows_walk, sealed_object
from archipel.archive.seal import Leftovers, seal_series
from archipel.dicom.index import path_of
from archipel.kit import jobs
from archipel.kit.clock import SetClock
from archipel.kit.errors import Invalid, LimitReached
from archipel.kit.scope import Scope
from tests import make
from tests.archive.room import EVERYTHING, SYSTEM, Room, dataset_of
from tests.servers import wait_until

pytestmark = pytest.mark.bytes_lie_open


def counts(room: Room) -> tuple[int, int, int]:
    """Open rows, sealed series, ways from a UID."""
    with room.database.read() as tx:
        tables = (rows.instance, rows_sealed.sealed, rows_sealed.sealed_uid)
        return tuple(tx.execute(select(func.count()).select_from(table)).scalar_one() for table in tables)  # type: ignore[return-value]


def flip(room: Room, key: str, at: int) -> None:
    data = bytearray(b"".join(room.blobs.stream(key, 0, room.blobs.size(key))))
    data[at] ^= 1
    room.blobs.delete(key)
    room.blobs.put(key, [bytes(data)])


def run_jobs(room: Room) -> list[str]:
    """Carry out the sealing that is asked for and due."""
    done: list[str] = []

    def act(study_uid: str) -> None:
        done.append(study_uid)
        archive.seal_study(room.database, room.blobs, study_uid)

    runner = jobs.JobRunner(room.database, {archive.SEAL_JOB: act})
    while runner.run_one():
        pass
    return done


def settle(room: Room) -> None:
    room.follow()
    assert isinstance(room.clock, SetClock)
    room.clock.advance(61)
    room.database.transact(lambda tx: archive.settle_due(tx, quiet_s=room.settings.quiet_s))
    room.follow()


def test_what_has_settled_is_sealed_by_a_job_and_given_back_as_it_was_sent(room: Room) -> None:
    study = make.ct_study(series=2, instances=4)
    room.send(*study)
    before = room.refs(study_uid=study[0].StudyInstanceUID)
    settle(room)
    assert run_jobs(room) == [study[0].StudyInstanceUID]
    assert counts(room) == (0, 2, 8)
    after = room.refs(study_uid=study[0].StudyInstanceUID)
    assert [ref.sop_instance_uid for ref in after] == [ref.sop_instance_uid for ref in before]
    assert len({ref.blob_key for ref in after}) == 2
    assert all(ref.blob_key.startswith("sealed/") for ref in after)
    for ds in study:
        assert room.dataset(ds.SOPInstanceUID) == dataset_of(ds)
    for ref in after:
        whole = b"".join(archive.part10(room.blobs, ref))
        assert pydicom.dcmread(io.BytesIO(whole)).SOPInstanceUID == ref.sop_instance_uid
    assert room.damage() == []
    assert archive.orphans(room.database, room.blobs) == []
    room.check_counts()
    sealed = {(p["series_uid"], p["instance_count"]) for _, p in room.changes("SeriesSealed")}
    assert sealed == {(ds.SeriesInstanceUID, 4) for ds in study}


def test_a_study_that_has_not_settled_is_left_alone(room: Room) -> None:
    study = make.ct_study()
    room.send(*study)
    assert archive.seal_study(room.database, room.blobs, study[0].StudyInstanceUID) == 0
    assert counts(room) == (3, 0, 0)
    assert archive.seal_study(room.database, room.blobs, "1.2.3") == 0


def test_late_instances_join_their_sealed_series(room: Room) -> None:
    study = make.ct_study(instances=6)
    room.send(*study[:4])
    room.seal()
    room.send(*study[4:])
    assert counts(room) == (2, 1, 4)
    assert [ref.number for ref in room.refs(series_uid=study[0].SeriesInstanceUID)] == [1, 2, 3, 4, 5, 6]
    room.check_counts()
    assert room.seal() == 1
    assert counts(room) == (0, 1, 6)
    assert len({ref.blob_key for ref in room.refs(study_uid=study[0].StudyInstanceUID)}) == 1
    assert [room.dataset(ds.SOPInstanceUID) for ds in study] == [dataset_of(ds) for ds in study]
    assert room.seal() == 0


def test_what_is_sealed_is_known_when_it_comes_again(room: Room) -> None:
    study = make.ct_study(instances=3)
    room.send(*study)
    room.seal()
    assert room.fates(*study) == ["already_stored"] * 3
    other = pydicom.dcmread(io.BytesIO(make.part10(study[1])))
    other.PatientComments = "another content"
    assert room.fates(other) == ["kept_aside"]
    assert counts(room) == (0, 1, 3)
    (conflict,) = room.conflicts()
    assert conflict.archived["00080018"] == study[1].SOPInstanceUID
    room.database.transact(lambda tx: archive.resolve(tx, SYSTEM, EVERYTHING, conflict.id, "use_received"))
    assert room.dataset(study[1].SOPInstanceUID) == dataset_of(other)
    assert counts(room)[1] == 0
    room.seal()
    assert room.dataset(study[1].SOPInstanceUID) == dataset_of(other)
    room.database.transact(lambda tx: archive.resolve(tx, SYSTEM, EVERYTHING, conflict.id, "reopen"))
    room.seal()
    assert [room.dataset(ds.SOPInstanceUID) for ds in study] == [dataset_of(ds) for ds in study]
    assert room.damage() == []


def test_a_rejection_opens_a_study_and_it_is_sealed_with_it_later(room: Room) -> None:
    study = make.ct_study(series=2, instances=3)
    room.send(*study)
    settle(room)
    run_jobs(room)
    uid, rejected = study[0].StudyInstanceUID, str(study[1].SOPInstanceUID)
    room.database.transact(lambda tx: archive.reject(tx, SYSTEM, EVERYTHING, uid, code="113001", sop_instance_uids=[rejected]))
    assert counts(room) == (6, 0, 0)
    assert run_jobs(room) == []
    assert isinstance(room.clock, SetClock)
    room.clock.advance(301)
    assert run_jobs(room) == [uid]
    assert counts(room) == (0, 2, 6)
    assert rejected not in {ref.sop_instance_uid for ref in room.refs(study_uid=uid)}
    assert rejected in {ref.sop_instance_uid for ref in room.refs(study_uid=uid, include_rejected=True)}
    room.database.transact(lambda tx: archive.revoke_rejections(tx, SYSTEM, EVERYTHING, uid))
    room.seal()
    assert len(room.refs(study_uid=uid)) == 6
    room.check_counts()


def test_a_change_while_a_series_is_copied_wins(room: Room) -> None:
    study = make.ct_study(instances=4)
    room.send(*study[:3])

    class Interrupted:
        """The store; something else happens to the study when the first bytes have gone out."""

        def __init__(self, act: Callable[[], Any]) -> None:
            self.act: Callable[[], Any] | None = act

        def put(self, key: str, chunks: Any) -> int:
            size = room.blobs.put(key, chunks)
            if self.act:
                self.act()
            return size

        def __getattr__(self, name: str) -> Any:
            return getattr(room.blobs, name)

    key = (study[0].StudyInstanceUID, study[0].SeriesInstanceUID)
    assert not seal_series(room.database, Interrupted(lambda: room.send(study[3])), *key)  # type: ignore[arg-type]
    assert counts(room) == (4, 0, 0)

    def reject() -> None:
        uids = [str(study[0].SOPInstanceUID)]
        room.database.transact(lambda tx: archive.reject(tx, SYSTEM, EVERYTHING, key[0], code="113001", sop_instance_uids=uids))

    assert not seal_series(room.database, Interrupted(reject), *key)  # type: ignore[arg-type]
    assert len(room.refs(study_uid=key[0])) == 3
    assert seal_series(room.database, room.blobs, *key)
    assert len(room.refs(study_uid=key[0])) == 3
    assert room.damage() == []


def test_two_that_seal_one_series_at_once_do_it_once(room: Room) -> None:
    study = make.ct_study(instances=20)
    room.send(*study)
    key = (study[0].StudyInstanceUID, study[0].SeriesInstanceUID)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: seal_series(room.database, room.blobs, *key), range(4)))
    assert done.count(True) == 1
    assert counts(room) == (0, 1, 20)
    assert room.damage() == []
    assert archive.orphans(room.database, room.blobs) == []


def test_receiving_and_sealing_together_lose_nothing_and_store_nothing_twice(room: Room) -> None:
    study = make.ct_study(instances=60)
    key = (study[0].StudyInstanceUID, study[0].SeriesInstanceUID)
    stopped = False
    seals: list[bool] = []

    def sealing() -> None:
        while not stopped:
            seals.append(seal_series(room.database, room.blobs, *key))

    with ThreadPoolExecutor(2) as pool:
        sealers = [pool.submit(sealing) for _ in range(2)]
        for start in range(0, 60, 5):
            room.send(*study[max(0, start - 5) : start + 5])
            if start in (20, 40):
                before = seals.count(True)
                wait_until(lambda before=before: seals.count(True) > before, 30)  # type: ignore[misc]
        stopped = True
        for one in sealers:
            one.result()
    room.seal()
    assert counts(room) == (0, 1, 60)
    assert [ref.number for ref in room.refs(study_uid=key[0])] == list(range(1, 61))
    assert [room.dataset(ds.SOPInstanceUID) for ds in study] == [dataset_of(ds) for ds in study]
    assert room.conflicts() == []
    room.check_counts()


def test_a_damaged_instance_keeps_its_row_and_is_mended_when_it_comes_again(make_room: Callable[..., Room]) -> None:
    room = make_room(group_count_max=1)
    study = make.ct_study(instances=4)
    room.send(*study)
    refs = room.refs(study_uid=study[0].StudyInstanceUID)
    flip(room, refs[1].blob_key, refs[1].length_bytes - 1)
    room.blobs.delete(refs[2].blob_key)
    assert room.seal() == 1
    assert counts(room) == (2, 1, 2)
    assert {d.sop_instance_uid for d in room.damage()} == {refs[1].sop_instance_uid, refs[2].sop_instance_uid}
    objects = {key for key, _ in room.blobs.list("sealed")}
    assert room.seal() == 0
    assert {key for key, _ in room.blobs.list("sealed")} == objects  # nothing was copied for it once more
    assert room.fates(*study) == ["already_stored"] * 4
    assert room.damage() == []
    room.seal()
    assert counts(room) == (0, 1, 4)
    assert [room.dataset(ds.SOPInstanceUID) for ds in study] == [dataset_of(ds) for ds in study]


def test_damage_within_a_sealed_object_is_found_and_mended(room: Room) -> None:
    study = make.ct_study(instances=4)
    room.send(*study)
    room.seal()
    ref = room.refs(study_uid=study[0].StudyInstanceUID)[2]
    flip(room, ref.blob_key, ref.offset + ref.length_bytes - 1)
    assert [d.sop_instance_uid for d in room.damage()] == [ref.sop_instance_uid]
    assert room.fates(*study) == ["already_stored"] * 4
    assert room.damage() == []
    room.seal()
    assert room.damage() == []
    assert counts(room) == (0, 1, 4)


def test_a_sealed_series_that_rotted_gives_back_the_row_of_what_is_damaged(room: Room) -> None:
    study = make.ct_study(instances=4)
    room.send(*study[:3])
    room.seal()
    ref = room.refs(study_uid=study[0].StudyInstanceUID)[0]
    flip(room, ref.blob_key, ref.offset + ref.length_bytes - 1)
    room.send(study[3])
    assert room.seal() == 1
    assert counts(room) == (1, 1, 3)
    assert [d.sop_instance_uid for d in room.damage()] == [ref.sop_instance_uid]


def test_an_object_says_itself_what_is_in_it(room: Room) -> None:
    study = make.ct_study(instances=3, PatientName="TESTÉ^ALICE")
    room.send(*study)
    room.seal()
    refs = room.refs(study_uid=study[0].StudyInstanceUID)
    held = sealed_object.read_manifest(room.blobs, refs[0].blob_key)
    assert [row.sop_instance_uid for row in held["instances"]] == [ref.sop_instance_uid for ref in refs]
    assert held["patient"]["name"] == "TESTÉ^ALICE"
    assert held["study"]["study_uid"] == study[0].StudyInstanceUID
    assert held["series"]["modality"] == "CT"
    assert held["site"]["id"] == "a"
    assert held["rejections"] == []
    assert held["sealed_at"] == "2026-01-15T10:00:00.000000Z"
    for row, ds in zip(held["instances"], study, strict=True):
        dataset = room.blobs.read(refs[0].blob_key, row.offset + row.dataset_offset, row.length_bytes - row.dataset_offset)
        assert dataset == dataset_of(ds)
        assert row.digest == hashlib.sha256(dataset).hexdigest()


def test_a_damaged_tail_or_manifest_is_refused(room: Room) -> None:
    room.send(*make.ct_study(instances=3))
    room.seal()
    ((key, size),) = room.blobs.list("sealed")
    whole = room.blobs.read(key, 0, size)
    tail = size - sealed_object.TAIL.size
    randomly = random.Random(5)
    _, _, _, manifest_at, _, _ = sealed_object.TAIL.unpack(whole[tail:])
    for at in [*range(tail, size), *(randomly.randrange(manifest_at, tail) for _ in range(30))]:
        if tail + 20 <= at < tail + 24:  # how long the headers are, which say themselves whether they are whole
            continue
        room.blobs.put("sealed/00/bad", [whole[:at], bytes([whole[at] ^ 0x41]), whole[at + 1 :]])
        with pytest.raises(Invalid):
            sealed_object.read_manifest(room.blobs, "sealed/00/bad")
        room.blobs.delete("sealed/00/bad")
    for cut in (0, 1, 40, tail):
        room.blobs.put("sealed/00/bad", [whole[:cut]])
        with pytest.raises(Invalid):
            sealed_object.read_manifest(room.blobs, "sealed/00/bad")
        room.blobs.delete("sealed/00/bad")


def test_two_uids_of_one_hash_are_told_apart(room: Room) -> None:
    one, other = make.ct_study(instances=2), make.mr_study(instances=2)
    room.send(*one, *other)
    room.seal()
    with room.database.write() as tx:  # as if both hashed alike
        ids = list(tx.execute(select(rows_sealed.sealed.c.id)).scalars())
        there = set(tx.execute(select(rows_sealed.sealed_uid)).all())
        every = {row[0] for row in there}
        more = [{"uid_hash": h, "sealed_id": i} for h in every for i in ids if (h, i) not in there]
        tx.execute(rows_sealed.sealed_uid.insert(), more)
    for ds in (*one, *other):
        (ref,) = room.refs(sop_instance_uid=ds.SOPInstanceUID)
        assert ref.study_uid == ds.StudyInstanceUID
        assert room.dataset(ds.SOPInstanceUID) == dataset_of(ds)
    assert room.fates(*one, *other) == ["already_stored"] * 4


def test_what_other_sites_sealed_is_not_shown(room: Room) -> None:
    study = make.ct_study(instances=2)
    room.send(*study, site_id="b")
    room.seal()
    with room.database.read() as tx:
        assert archive.locate(tx, Scope.of_sites(["a"], "test"), study_uid=study[0].StudyInstanceUID) == []
        assert len(archive.locate(tx, Scope.of_sites(["b"], "test"), sop_instance_uid=study[0].SOPInstanceUID)) == 1


def test_leftovers_are_asked_for_page_by_page(room: Room) -> None:
    studies = [make.ct_study(instances=1) for _ in range(3)]
    for study in studies:
        room.send(*study)
    settle(room)
    with room.database.write() as tx:
        tx.execute(update(jobs.rows.job).values(state="failed"))
    assert run_jobs(room) == []
    assert isinstance(room.clock, SetClock)
    left = Leftovers(room.database)
    left.ask()
    assert run_jobs(room) == []  # their own job may still be at it
    room.clock.advance(3700)
    left.ask()
    assert sorted(run_jobs(room)) == sorted(study[0].StudyInstanceUID for study in studies)
    assert counts(room)[0] == 0
    left.ask()
    left.ask()
    assert run_jobs(room) == []


def test_a_search_that_would_read_too_many_manifests_says_so(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    studies = [make.ct_study(instances=4) for _ in range(3)]
    for study in studies:
        room.send(*study)
    room.seal()
    monkeypatch.setattr(rows_walk, "WALK_INSTANCES_MAX", 8)

    def found(**match: str) -> int:
        with room.database.read() as tx:
            return len(archive.find(tx, EVERYTHING, archive.Query(archive.Level.IMAGE, {path_of(k): v for k, v in match.items()})).rows)

    assert found(StudyInstanceUID=studies[0][0].StudyInstanceUID, InstanceNumber="2") == 1
    with pytest.raises(LimitReached):
        found(InstanceNumber="99")
