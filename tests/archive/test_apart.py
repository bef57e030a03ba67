"""The training region and real sites never share an exam: what would cross is refused, audited, and leaves nothing behind."""

from __future__ import annotations

import pytest

from archipel import archive, audit, directory
from archipel.archive import Level, Query
from archipel.archive.receive import receive
from archipel.directory import Site
from archipel.kit.scope import Scope
from tests import make
from tests.archive.room import SYSTEM, Room, copies

BOTH_WAYS = pytest.mark.parametrize(("owner", "stranger"), [("a", "training"), ("training", "a")])


@pytest.fixture
def region(room: Room) -> Room:
    """An archive with a real site a and two sites of the training region."""
    for site_id in ("training", "training-2"):
        room.database.transact(lambda tx, site_id=site_id: directory.add_site(tx, SYSTEM, Site(site_id, site_id)))
    room.database.transact(lambda tx: directory.set_demo(tx, ["training", "training-2"]))
    return room


def codes(outcomes: list[archive.Outcome]) -> list[str]:
    return [outcome.error.code if outcome.error else outcome.fate.value for outcome in outcomes]


def shown(room: Room, site_id: str) -> set[str]:
    with room.database.read() as tx:
        rows = archive.find(tx, Scope.of_sites([site_id], "tests"), Query(Level.IMAGE)).rows
    return {row["00080018"]["Value"][0] for row in rows}


@BOTH_WAYS
def test_an_instance_does_not_join_an_exam_of_the_other_side(region: Room, owner: str, stranger: str) -> None:
    first, second = make.ct_study(instances=2)
    region.send(first, site_id=owner)
    assert codes(region.send(second, site_id=stranger)) == ["training-region"]
    assert shown(region, owner) == {first.SOPInstanceUID}
    assert shown(region, stranger) == set()
    assert region.conflicts() == []
    assert region.exam(first.StudyInstanceUID).flags == ()
    region.check_counts()


@BOTH_WAYS
def test_another_content_under_a_uid_of_the_other_side_is_not_kept_aside(region: Room, owner: str, stranger: str) -> None:
    (first,) = make.ct_study(instances=1)
    region.send(first, site_id=owner)
    same_study, other_study = copies(first, {"PatientName": "OTHER^ONE"}, {"StudyInstanceUID": make.uid(), "SeriesInstanceUID": make.uid()})
    assert codes(region.send(same_study, other_study, site_id=stranger)) == ["training-region"] * 2
    assert region.conflicts() == []


@BOTH_WAYS
def test_what_the_other_side_sent_already_is_not_said_to_be_stored(region: Room, owner: str, stranger: str) -> None:
    (ds,) = make.ct_study(instances=1)
    region.send(ds, site_id=owner)
    assert codes(region.send(ds, site_id=stranger)) == ["training-region"]


@BOTH_WAYS
def test_in_one_group_the_first_decides_whose_the_exam_is(region: Room, owner: str, stranger: str) -> None:
    first, second = make.ct_study(instances=2)
    neighbour = make.ct_study(instances=1)[0]
    placed = [region.place(first, owner), region.place(second, stranger), region.place(neighbour, stranger)]
    outcomes = region.database.transact(lambda tx: receive(tx, placed, region.issuers()))
    assert codes(outcomes) == ["stored", "training-region", "stored"]
    region.check_counts()


def test_sites_of_one_side_share_an_exam_as_ever(region: Room) -> None:
    for one, other in (("training", "training-2"), ("a", "b"), ("a", "not-in-the-directory")):
        first, second = make.ct_study(instances=2)
        region.send(first, site_id=one)
        (outcome,) = region.send(second, site_id=other)
        assert (outcome.fate, outcome.flags) == (archive.Fate.STORED, ("other_site",))


@BOTH_WAYS
def test_a_refusal_is_audited_once_per_association_and_not_in_the_exams_trace(region: Room, owner: str, stranger: str) -> None:
    first, *others = make.ct_study(instances=4)
    region.send(first, site_id=owner)
    region.send(*others, site_id=stranger, association_id="strange")
    region.send(others[0], site_id=stranger, association_id="strange")
    with region.database.read() as tx:
        (refused,) = [one for one in audit.search(tx, action="archive.receive") if one.outcome is audit.Outcome.REFUSED]
        assert (refused.object_id, refused.detail["of_study"]) == ("strange", first.StudyInstanceUID)
        assert refused.detail["site_id"] == stranger
        assert [one.outcome.value for one in audit.trace(tx, first.StudyInstanceUID)] == ["success"]
