"""Exams hand their patients to the register of persons."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from archipel import archive, directory, identity
from archipel.archive.persons import replay_patients
from archipel.directory import Site
from archipel.identity import LocalId, Seen, Traits
from archipel.kit import feed
from archipel.kit.clock import SetClock
from tests import make
from tests.archive.room import EVERYTHING, SYSTEM, Room

pytestmark = pytest.mark.bytes_lie_open


def settle(room: Room) -> None:
    assert isinstance(room.clock, SetClock)
    room.follow()
    room.clock.advance(61)
    room.database.transact(lambda tx: archive.settle_due(tx, quiet_s=60))
    room.follow()


def test_settled_exams_make_records_and_a_merge_finds_them(room: Room) -> None:
    one = make.ct_study(instances=1, PatientID="1", PatientName="DURAND^MARIE ANNE=x^y", PatientBirthDate="19800214", PatientSex="F")
    other = make.ct_study(instances=1, PatientID="2", PatientName="", PatientBirthDate="")
    nobody = make.ct_study(instances=1, PatientID="")
    room.send(*one, *other, *nobody)
    settle(room)
    first, second = LocalId("1", "TEST"), LocalId("2", "TEST")
    nameless = LocalId("", f"study:{nobody[0].StudyInstanceUID}")
    with room.database.read() as tx:
        persons = identity.persons_of(tx, [first, second, nameless])
        assert len(persons) == 3
        assert persons[first].best.traits == Traits(used_family="DURAND", used_given="MARIE ANNE", birth_date="19800214", sex="F")
    at = datetime(2026, 1, 16, tzinfo=UTC)
    room.database.transact(lambda tx: identity.replace_id(tx, SYSTEM, second, first, site_id="a", source="hl7", at=at))
    with room.database.read() as tx:
        ids = identity.ids_of_person(tx, persons[first].id)
        exams = [e for e in archive.exams(tx, EVERYTHING, archive.Query(archive.Level.STUDY))[0] if LocalId(e.patient_id, e.issuer) in ids]
        assert {e.study_uid for e in exams} == {one[0].StudyInstanceUID, other[0].StudyInstanceUID}
        before = feed.position(tx)
    (follower,) = [f for f in archive.followers(room.blobs, quiet_s=60) if f.name == "archive.persons"]
    assert feed.replay(room.database, follower, 0) == 3
    with room.database.read() as tx:
        assert feed.position(tx) == before, "a replay changes nothing"
        assert len(list(replay_patients(tx))) == 3


def test_an_identifier_on_both_sides_of_the_wall_stops_nobody(room: Room) -> None:
    with room.database.write() as tx:
        directory.add_site(tx, SYSTEM, Site("t", "Training", issuer="TEST"))
        directory.set_demo(tx, ["t"])
        seen = Seen(LocalId("5", "TEST"), "t", Traits("X", "Y"), at=room.clock.now())
        identity.take(tx, SYSTEM, seen)
    room.send(*make.ct_study(instances=1, PatientID="5"), *make.ct_study(instances=1, PatientID="6"), site_id="b")
    settle(room)
    with room.database.read() as tx:
        assert identity.person_of(tx, LocalId("6", "TEST")) is not None
        known = identity.person_of(tx, LocalId("5", "TEST"))
        assert known is not None and known.demo and known.best.traits == Traits("X", "Y")
        assert feed.parked_changes(tx) == []
