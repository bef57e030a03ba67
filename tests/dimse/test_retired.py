"""What changes in the directory while associations are open holds for them too."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

import pydicom
import pytest

from archipel import directory
from archipel.dicom.sop_classes import STUDY_FIND
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


def test_what_a_removed_device_asks_on_its_open_association_is_not_done(region: Region) -> None:
    """With the limits of a region that sets none: a second later nothing is found and nothing is stored."""
    store(region, make.ct_study())
    late = pydicom.dcmread(io.BytesIO(make.part10(make.ct_study(series=1, instances=1)[0])))
    finding, storing = (call(region, [(STUDY_FIND, [IMPLICIT]), (CT, [EXPLICIT])]) for _ in range(2))
    everything = identifier("STUDY", StudyInstanceUID="")
    assert [row for _, row in finding.send_c_find(everything, STUDY_FIND) if row is not None]
    region.database.transact(lambda tx: directory.remove_device(tx, TEST, "MODALITY"))
    time.sleep(1.1)
    assert not [row for _, row in finding.send_c_find(everything, STUDY_FIND) if row is not None]
    assert "Status" not in storing.send_c_store(late)
    for association in (finding, storing):
        association.join(10)
        assert association.is_aborted
    assert str(late.SOPInstanceUID) not in region.stored()


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
