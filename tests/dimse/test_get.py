"""C-GET against pynetdicom and DCMTK."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pynetdicom import evt

from archipel import directory
from archipel.archive import Fate, Incoming, Source
from archipel.kit.actor import Actor
from tests import make
from tests.dimse.peers import CT, EXPLICIT, IMPLICIT, MR, call, store
from tests.dimse.region import Region
from tests.dimse.test_retrieve import J2K, STUDY_GET, Transcoder, counts, identifier, stored_j2k
from tests.servers import DCMTK_ENVIRONMENT, Dcmtk, Process, free_port


def get(
    region: Region, asked: Dataset, contexts: Sequence[tuple[str, Sequence[str]]], statuses: Sequence[int] = ()
) -> tuple[list[Any], dict[str, bytes]]:
    """Answers of a C-GET of pynetdicom, and the datasets that came."""
    got: dict[str, bytes] = {}
    left = list(statuses)

    def on_store(event: Any) -> int:
        status = left.pop(0) if left else 0
        if status == 0:
            got[event.request.AffectedSOPInstanceUID] = event.request.DataSet.getvalue()
        return status

    association = call(
        region,
        [(STUDY_GET, [EXPLICIT]), *contexts],
        as_scp=[uid for uid, _ in contexts],
        evt_handlers=[(evt.EVT_C_STORE, on_store)],
    )
    answers = list(association.send_c_get(asked, STUDY_GET))
    association.release()
    return answers, got


def test_get_sends_a_study_as_stored(region: Region) -> None:
    study = make.ct_study(series=2, instances=4, size=256)
    store(region, study)
    answers, got = get(region, identifier("STUDY", StudyInstanceUID=study[0].StudyInstanceUID), [(CT, [EXPLICIT])])
    final = answers[-1][0]
    assert (final.Status, counts(final)) == (0, (None, 8, 0, 0))
    assert got == {ds.SOPInstanceUID: region.dataset(ds.SOPInstanceUID) for ds in study}


def test_get_counts_what_the_asker_refuses_and_what_it_offered_no_context_for(region: Region) -> None:
    ct = make.ct_study(instances=3)
    mr = make.mr_study(instances=1, StudyInstanceUID=ct[0].StudyInstanceUID)
    store(region, [*ct, *mr])
    asked = identifier("STUDY", StudyInstanceUID=ct[0].StudyInstanceUID)
    answers, got = get(region, asked, [(CT, [EXPLICIT])], statuses=[0, 0xA700, 0])
    final, failed = answers[-1]
    assert (final.Status, counts(final)) == (0xB000, (None, 2, 2, 0))
    assert set(failed.FailedSOPInstanceUIDList) == {ds.SOPInstanceUID for ds in [*ct, *mr]} - set(got)


def test_get_transcodes(make_region: Callable[..., Region]) -> None:
    pixels = Transcoder(b"transcoded")
    region = make_region(pixels=pixels)
    region.device("MODALITY")
    ds, _ = stored_j2k(region)
    answers, got = get(region, identifier("STUDY", StudyInstanceUID=ds.StudyInstanceUID), [(MR, [IMPLICIT])])
    assert answers[-1][0].Status == 0
    assert got == {ds.SOPInstanceUID: b"transcoded"}
    assert pixels.asked == [(J2K, IMPLICIT)]
    assert region.spool_files() == []


def test_get_without_storage_roles_fails_all(region: Region) -> None:
    study = make.ct_study(instances=2)
    store(region, study)
    association = call(region, [(STUDY_GET, [EXPLICIT]), (CT, [EXPLICIT])])
    final, _ = list(association.send_c_get(identifier("STUDY", StudyInstanceUID=study[0].StudyInstanceUID), STUDY_GET))[-1]
    association.release()
    assert (final.Status, counts(final)) == (0xA702, (None, 0, 2, 0))
    assert "context" in final.ErrorComment


def test_getscu_and_movescu_of_dcmtk(region: Region, dcmtk: Dcmtk, tmp_path: Path) -> None:
    study = make.ct_study(series=1, instances=5)
    store(region, study)
    key = f"StudyInstanceUID={study[0].StudyInstanceUID}"
    names = ("-aet", "MODALITY", "-aec", region.aet)
    got, moved = tmp_path / "got", tmp_path / "moved"
    got.mkdir()
    moved.mkdir()
    dcmtk.run("getscu", "-S", *names, "-od", got, "-k", "QueryRetrieveLevel=STUDY", "-k", key, "127.0.0.1", region.port)
    port = free_port()
    storescp = Process(dcmtk.command("storescp", "+B", "-aet", "DCMTK", "-od", moved, port), tmp_path / "log", DCMTK_ENVIRONMENT)
    storescp.start(port)
    region.device("DCMTK", port)
    try:
        dcmtk.run(
            "movescu", "-S", *names, "-aem", "DCMTK", "-k", "QueryRetrieveLevel=STUDY", "-k", key, "127.0.0.1", region.port
        )  # fmt: skip
    finally:
        storescp.stop()
    for folder in (got, moved):
        found = {dcmread(path).SOPInstanceUID: path for path in folder.iterdir()}
        assert set(found) == {ds.SOPInstanceUID for ds in study}
    for uid, path in found.items():
        assert path.read_bytes().endswith(region.dataset(uid))


PRIVATE = "1.2.826.0.1.3680043.8.498.7.7"


def imported(region: Region, sop_class_uid: str) -> Dataset:
    """An instance that came in by a file, which asks for no class."""
    ds = make.with_pixels(make.instance(sop_class_uid, "OT"))
    spooled = region.spool.new()
    spooled.write(make.part10(ds))
    source = Source("import", directory.DEFAULT_SITE, Actor.system("tests"))
    assert region.receiver.submit(Incoming.from_part10(spooled, source)).result(30).fate is Fate.STORED
    return ds


def test_get_gives_an_imported_private_class_to_who_names_it(region: Region) -> None:
    ds = imported(region, PRIVATE)
    asked = identifier("STUDY", StudyInstanceUID=ds.StudyInstanceUID)
    answers, got = get(region, asked, [(PRIVATE, [EXPLICIT, IMPLICIT])])
    assert answers[-1][0].Status == 0
    assert got == {ds.SOPInstanceUID: region.dataset(ds.SOPInstanceUID)}
    answers, got = get(region, asked, [(CT, [EXPLICIT])])
    assert (answers[-1][0].Status, got) == (0xA702, {})


def test_a_class_that_is_only_given_is_not_taken(region: Region) -> None:
    """Naming it as SCP opens no way to store what the settings do not accept."""
    association = call(region, [(STUDY_GET, [EXPLICIT]), (PRIVATE, [EXPLICIT])], as_scp=[PRIVATE])
    (context,) = [one for one in association.accepted_contexts if one.abstract_syntax == PRIVATE]
    assert (context.as_scu, context.as_scp) == (False, True)
    association.release()
