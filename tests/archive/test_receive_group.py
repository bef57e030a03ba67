"""Instances that are indexed together and contradict each other."""

from __future__ import annotations

import copy

from archipel.archive.receive import receive
from tests import make
from tests.archive.room import Room

CT = "1.2.840.10008.5.1.4.1.1.2"


def test_two_contents_of_one_uid_in_one_group_are_a_conflict_that_can_be_decided_either_way(room: Room) -> None:
    first = make.instance(CT, "CT")
    second = copy.deepcopy(first)
    second.InstanceNumber = 7
    placed = [room.place(make.instance(CT, "CT")), room.place(first), room.place(second), room.place(make.instance(CT, "CT"))]
    with room.database.write() as tx:
        outcomes = receive(tx, placed, room.issuers())
    assert [outcome.fate.value for outcome in outcomes] == ["stored", "stored", "kept_aside", "stored"]
    (conflict,) = room.conflicts()
    assert conflict.actions == ("keep_archived", "use_received")
    assert [one.keyword for one in conflict.differences] == ["InstanceNumber"]
    assert room.totals()["instances"] == 3
