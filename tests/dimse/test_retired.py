"""What changes in the directory while associations are open holds for them too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from archipel import directory
from tests import make
from tests.dimse.peers import CT, EXPLICIT, IMPLICIT, VERIFICATION, call, store
from tests.dimse.region import TEST, Region
from tests.dimse.test_retrieve import destination, identifier, move

DESTINATION_UNKNOWN = 0xA801


def change_device(region: Region, **changes: Any) -> None:
    region.database.transact(lambda tx: directory.change_device(tx, TEST, "MODALITY", **changes))


def close_site(region: Region, site_id: str) -> None:
    region.database.transact(lambda tx: directory.change_site(tx, TEST, site_id, active=False))


@pytest.mark.parametrize(
    "act",
    [
        lambda region: change_device(region, active=False),
        lambda region: change_device(region, site_id="other"),
        lambda region: region.database.transact(lambda tx: directory.remove_device(tx, TEST, "MODALITY")),
        lambda region: close_site(region, directory.DEFAULT_SITE),
    ],
    ids=["switched off", "moved to another site", "removed", "site closed"],
)
def test_an_open_association_of_a_device_that_lost_its_right_ends(make_region: Callable[..., Region], act: Any) -> None:
    region = make_region(device_check_s=0)
    region.device("MODALITY")
    region.site("other")
    association = call(region, [(VERIFICATION, [IMPLICIT])])
    assert association.send_c_echo().Status == 0
    act(region)
    association.send_c_echo()
    association.join(10)
    assert association.is_aborted


def test_a_device_of_a_closed_site_is_no_destination(region: Region) -> None:
    region.site("closed")
    study = make.ct_study()
    store(region, study)
    with destination(region, [(CT, [EXPLICIT])]) as peer:
        region.device("DEST", peer.port, site_id="closed")
        close_site(region, "closed")
        answers = move(region, identifier("STUDY", StudyInstanceUID=study[0].StudyInstanceUID))
        assert answers[-1][0].Status == DESTINATION_UNKNOWN
        assert not peer.got
