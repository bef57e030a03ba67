"""Faults of receiving that were mended: a disk that fails late, bytes that cannot be read, what people do meanwhile, values of two kinds.

Faults are real: a folder in the place of a file, a pool that is shut down, and a store that does everything through the real one.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian
from sqlalchemy import text

from archipel import archive, directory
from archipel.archive import rows, rows_receive, rows_review
from archipel.directory import Site
from tests import make
from tests.archive.room import SYSTEM, Room, copies, dataset_of
from tests.archive.test_repair import lose
from tests.archive.test_review import duplicate, resolve

LARGE = {"memory_bytes_each": 64 << 10}  # an image of 400 x 400 goes by a file
ANSWER_S = 30


class Through:
    """A store that does everything through the real one. ``before`` and ``after`` run around the acts that they name."""

    def __init__(
        self, blobs: Any, *, before: dict[str, Callable[[], Any]] | None = None, after: dict[str, Callable[[], Any]] | None = None
    ):
        self._blobs, self._before, self._after = blobs, before or {}, after or {}

    @property
    def appends_here(self) -> bool:
        return bool(self._blobs.appends_here)

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._blobs, name)

        def act(*args: Any, **options: Any) -> Any:
            self._before.get(name, lambda: None)()
            done = real(*args, **options)
            self._after.get(name, lambda: None)()
            return done

        return act


class Far(Through):
    """A store to which bytes travel."""

    appends_here = False


class NearlyFull(Through):
    """A store with little room, on another disk than the rest."""

    def free_bytes(self) -> int:
        return 1000


def receive_through(room: Room, blobs: Any) -> None:
    """Let the room's receiver, and all else of the room, use this store."""
    room.receiver.drain()
    room.blobs = blobs
    room.receiver = room.new_receiver()


def large(**attributes: Any) -> Any:
    """An instance that goes by a file."""
    return make.ct_study(instances=1, size=400, **attributes)[0]


def replace_by_folder(path: Path) -> None:
    """Whoever opens or unlinks it is refused, root too."""
    path.unlink()
    path.mkdir()


def only_on_files(room: Room) -> None:
    if room.backend.name != "sqlite-files":
        pytest.skip("an object store has no folders")


# --- answers ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_spooled_file_that_cannot_be_removed_keeps_no_answer(make_room: Callable[..., Room], when: str) -> None:
    room = make_room(**LARGE)
    first = room.incoming(large())
    scratch = first.spooled.scratch
    assert scratch is not None
    around: Any = {when: {"put": lambda: replace_by_folder(scratch.path)}}
    receive_through(room, Through(room.blobs, **around))
    outcome = room.receiver.submit(first).result(ANSWER_S)
    assert outcome.fate == ("refused" if when == "before" else "stored")  # before: its bytes could not be read any more
    assert list(room.spool.folder.iterdir()) == [scratch.path]
    receive_through(room, room.blobs._blobs)
    assert room.fates(large(), *make.ct_study(instances=2)) == ["stored"] * 3
    assert room.damage() == []


def test_without_parsers_the_large_and_the_slow_are_refused_and_the_writer_lives(make_room: Callable[..., Room]) -> None:
    room = make_room(**LARGE, queue_count_max=4)
    room.receiver._parsers.shutdown()
    slow = make.part10(make.ct_study(instances=1)[0], transfer_syntax_uid=DeflatedExplicitVRLittleEndian)
    for _ in range(3):  # more than may wait: each gives its slot back
        for sent in (large(), slow):
            outcome = room.receiver.submit(room.incoming(sent)).result(ANSWER_S)
            assert outcome.fate == "refused"
            assert outcome.error is not None
            assert outcome.error.kind == "unavailable"
    assert room.fates(*make.ct_study(instances=2)) == ["stored"] * 2
    assert room.spool.used_bytes == 0
    assert list(room.spool.folder.iterdir()) == []


def test_draining_again_returns_at_once(make_room: Callable[..., Room]) -> None:
    room = make_room(queue_count_max=4)
    receiver = room.new_receiver()
    assert receiver.receive(room.incoming(make.ct_study(instances=1)[0])).fate == "stored"
    both = [threading.Thread(target=receiver.drain, daemon=True) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(10)
    assert [one.is_alive() for one in both] == [False, False]
    late = receiver.receive(room.incoming(make.ct_study(instances=1)[0]))
    assert late.error is not None
    assert late.error.code == "busy"


def test_a_site_that_the_directory_does_not_know_costs_its_neighbours_nothing(make_room: Callable[..., Room]) -> None:
    room = make_room(group_wait_ms=300)
    bare, other = [make.ct_study(instances=1, IssuerOfPatientID=None, PatientID="77")[0] for _ in range(2)]
    sent = [room.incoming(other, "b"), room.incoming(bare, "gone"), *(room.incoming(ds) for ds in make.ct_study(instances=2))]
    outcomes = [future.result(ANSWER_S) for future in [room.receiver.submit(one) for one in sent]]
    assert [outcome.fate.value for outcome in outcomes] == ["stored"] * 4
    with room.database.read() as tx:
        found = rows_receive.patients(tx, [("77", "HOSP-B"), ("77", "site:gone"), ("77", "site:a")])
    assert set(found) == {("77", "HOSP-B"), ("77", "site:gone")}


# --- bytes ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["kept aside", "archived"])
def test_a_decision_while_a_lost_content_is_mended_loses_nothing(make_room: Callable[..., Room], which: str) -> None:
    """The conflict is resolved between the look at the damage and the transaction: both contents change places."""
    room = make_room(group_count_max=1)
    archived, kept, conflict = duplicate(room)
    (ref,) = room.refs(sop_instance_uid=archived.SOPInstanceUID)
    with room.database.read() as tx:
        (kept_key,) = rows_review.kept_keys(tx)
    lose(room, kept_key if which == "kept aside" else ref.blob_key, "missing")
    assert len(room.damage()) == 1
    receive_through(room, Through(room.blobs, before={"append": lambda: resolve(room, conflict.id, "use_received")}))
    sent = kept if which == "kept aside" else archived
    assert room.fates(sent) == ["already_stored" if which == "kept aside" else "kept_aside"]
    assert room.conflicts() == []
    assert room.damage() == []
    assert room.dataset(archived.SOPInstanceUID) == dataset_of(kept)
    resolve(room, conflict.id, "reopen")
    assert room.damage() == []
    assert room.dataset(archived.SOPInstanceUID) == dataset_of(archived)


@pytest.mark.bytes_lie_open
def test_a_file_that_cannot_be_read_is_damage_of_one_instance(make_room: Callable[..., Room], tmp_path: Path) -> None:
    apart, room = make_room(group_count_max=1), make_room(group_wait_ms=300)
    only_on_files(room)
    study = make.ct_study(instances=5)
    assert apart.fates(*study[:3]) == ["stored"] * 3
    (ref,) = room.refs(sop_instance_uid=study[1].SOPInstanceUID)
    replace_by_folder(tmp_path / "blobs" / ref.blob_key)
    checked = list(archive.verify(room.database, room.blobs))
    assert {one.sop_instance_uid for one in checked} == {ds.SOPInstanceUID for ds in study[:3]}
    assert [one.sop_instance_uid for one in checked if one.damage] == [study[1].SOPInstanceUID]
    assert [one.damage.reason for one in checked if one.damage] == ["The disk does not give the stored bytes."]
    assert room.fates(study[3], study[1], study[4]) == ["stored", "already_stored", "stored"]
    assert room.damage() == []
    assert room.dataset(study[1].SOPInstanceUID) == dataset_of(study[1])


def test_a_large_one_whose_file_cannot_be_read_is_mended(make_room: Callable[..., Room], tmp_path: Path) -> None:
    room = make_room(**LARGE)
    only_on_files(room)
    ds = large()
    assert room.fates(ds) == ["stored"]
    replace_by_folder(tmp_path / "blobs" / room.refs(sop_instance_uid=ds.SOPInstanceUID)[0].blob_key)
    assert room.fates(ds) == ["already_stored"]
    assert room.damage() == []
    assert room.dataset(ds.SOPInstanceUID) == dataset_of(ds)


def test_no_transaction_is_open_while_bytes_travel(room: Room) -> None:
    """What another writes meanwhile is not held up: on SQLite any row, on PostgreSQL a lock that no reader of instances allows."""
    others, seen = ThreadPoolExecutor(1), []

    def write() -> None:
        with room.database.write() as tx:
            directory.add_site(tx, SYSTEM, Site(f"s{len(seen)}", "Another"))
            if tx.dialect == "postgresql":
                tx.execute(text("SET LOCAL lock_timeout = '20s'"))
                tx.execute(text(f"LOCK TABLE {rows.instance.name}, {rows.study.name} IN ACCESS EXCLUSIVE MODE"))

    def meanwhile() -> None:
        writing = others.submit(write)
        wait([writing], 5)
        seen.append(writing.done() and writing.exception() is None)

    receive_through(room, Far(room.blobs, before={"append": meanwhile}))
    (first,) = make.ct_study(instances=1)
    (second,) = copies(first, {"InstanceNumber": 7})
    assert room.fates(first) == ["stored"]
    assert room.fates(second) == ["kept_aside"]
    assert seen == [True, True]
    others.shutdown()


@pytest.mark.parametrize("full", ["store", "disk"])
def test_a_large_instance_that_does_not_fit_leaves_no_blob(make_room: Callable[..., Room], full: str) -> None:
    room = make_room(**LARGE, free_bytes_min=1 << 20 if full == "store" else 1 << 60)
    real = room.blobs
    if full == "store":
        receive_through(room, NearlyFull(real))
    for sent in (large(), make.ct_study(instances=1)[0]):
        (outcome,) = room.send(sent)
        assert outcome.error is not None
        assert outcome.error.code == "out-of-space"
        assert list(real.list("")) == []
    assert room.totals()["instances"] == 0
    assert list(room.spool.folder.iterdir()) == []


# --- whose exam it is -------------------------------------------------------------------------------------------------------------


def odd(**attributes: Any) -> bytes:
    """A CT image of a study of its own with values that the standard does not allow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make.part10(make.ct_study(instances=1, **attributes)[0])


def test_all_of_a_patient_id_tells_patients_apart(room: Room) -> None:
    sent = [odd(PatientID=value) for value in (["77", "1"], ["77", "2"], ["77", "1"])]
    assert [outcome.flags for outcome in room.send(*sent)] == [()] * 3
    assert room.totals()["patients"] == 2
    with room.database.read() as tx:
        assert set(rows_receive.patients(tx, [("77\\1", "TEST"), ("77\\2", "TEST"), ("77", "TEST")])) == {
            ("77\\1", "TEST"),
            ("77\\2", "TEST"),
        }


def test_an_id_that_the_index_cannot_hold_makes_a_study_stand_alone(room: Room) -> None:
    longest, ids = "x" * 300, ["x" * 301 + "1", "x" * 301 + "2", "x" * 301 + "2"]
    outcomes = room.send(odd(PatientID=longest), odd(PatientID=longest), *(odd(PatientID=value) for value in ids))
    assert [(outcome.fate.value, outcome.flags) for outcome in outcomes] == [("stored", ())] * 5
    assert room.totals()["patients"] == 4
    alone = [("", f"study:{outcome.study_uid}") for outcome in outcomes[2:]]
    with room.database.read() as tx:
        assert set(rows_receive.patients(tx, [*alone, (longest, "TEST")])) == {*alone, (longest, "TEST")}


@pytest.mark.parametrize(
    "traits",
    [
        {"PatientName": ["TESTE^ALICE", "TESTE^ALICIA"]},
        {"PatientName": "TESTE^" + "A" * 400},
        {"PatientName": "TESTE^" + "é" * 290 + "=" + "山" * 290},
        {"PatientBirthDate": ["19700131", "19700201"]},
        {"PatientSex": ["F", "O"]},
    ],
    ids=["two names", "a long name", "long groups", "two birth dates", "two sexes"],
)
def test_what_a_study_says_of_itself_raises_no_doubt_about_it(room: Room, traits: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sent = [make.part10(ds) for ds in make.ct_study(instances=2, **traits)]
    outcomes = [*room.send(sent[0]), *room.send(sent[1]), *room.send(odd(**traits))]
    assert [(outcome.fate.value, outcome.flags) for outcome in outcomes] == [("stored", ())] * 3
    assert room.conflicts() == []
    assert room.totals()["patients"] == 1


def test_patients_without_an_id_are_not_read_with_each_other(room: Room) -> None:
    outcomes = room.send(*(make.ct_study(instances=1, PatientID=None)[0] for _ in range(50)))
    assert room.totals() == {"patients": 50, "studies": 50, "series": 50, "instances": 50}
    issuer = f"study:{outcomes[7].study_uid}"
    with room.database.read() as tx:
        assert set(rows_receive.patients(tx, [("", issuer)])) == {("", issuer)}
        read = rows_receive._PATIENTS.all(tx, ids=[""], issuers=[issuer])
    assert [(row.patient_id, row.issuer) for row in read] == [("", issuer)]
