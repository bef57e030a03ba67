"""What belongs to the training region cannot be sent to a device outside it."""

from __future__ import annotations

from archipel import directory
from tests import make
from tests.dimse.peers import CT, EXPLICIT, store
from tests.dimse.region import Region
from tests.dimse.test_retrieve import destination, identifier, move

DESTINATION_UNKNOWN = 0xA801


def test_a_training_exam_moves_within_the_training_region_only(region: Region) -> None:
    region.site("training")
    region.database.transact(lambda tx: directory.set_demo(tx, ["training"]))
    region.device("MODALITY", site_id="training")
    study = make.ct_study()
    store(region, study)
    asked = identifier("STUDY", StudyInstanceUID=study[0].StudyInstanceUID)
    with destination(region, [(CT, [EXPLICIT])]) as outside:
        for is_open in (False, True):
            region.device("DEST", outside.port, receives_from_other_sites=is_open)
            assert move(region, asked)[-1][0].Status == DESTINATION_UNKNOWN
        assert not outside.got
        region.device("DEST", outside.port, site_id="training")
        assert move(region, asked)[-1][0].Status == 0
        assert set(outside.got) == {ds.SOPInstanceUID for ds in study}
