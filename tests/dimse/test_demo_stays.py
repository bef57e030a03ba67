"""What belongs to the training region cannot be sent to a device outside it, and joins no real exam that could be."""

from __future__ import annotations

from archipel import directory
from tests import make
from tests.dimse.peers import CT, EXPLICIT, call, send, store
from tests.dimse.region import Region
from tests.dimse.test_get import get
from tests.dimse.test_retrieve import destination, identifier, move

DESTINATION_UNKNOWN, NOT_AUTHORIZED = 0xA801, 0x0124


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


def test_what_a_training_device_sends_into_a_real_exam_leaves_by_no_door(region: Region) -> None:
    region.site("training")
    region.database.transact(lambda tx: directory.set_demo(tx, ["training"]))
    region.device("TRAINER", site_id="training")
    region.device("MODALITY")
    real, synthetic = make.ct_study(instances=2)
    store(region, [real])
    association = call(region, [(CT, [EXPLICIT])], ae_title="TRAINER")
    answer = send(association, synthetic)
    association.release()
    assert (answer.Status, answer.ErrorComment) == (NOT_AUTHORIZED, "The training region and real sites never share an exam.")
    asked = identifier("STUDY", StudyInstanceUID=real.StudyInstanceUID)
    answers, got = get(region, asked, [(CT, [EXPLICIT])])
    assert (answers[-1][0].Status, set(got)) == (0, {real.SOPInstanceUID})
    with destination(region, [(CT, [EXPLICIT])]) as other:
        region.device("DEST", other.port)
        move(region, asked)
        assert set(other.got) == {real.SOPInstanceUID}
