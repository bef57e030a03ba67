"""The ways in which stored samples are fetched back, each with its dataset as it comes off the wire."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
from pydicom import Dataset
from pynetdicom import AE, _config, build_context, build_role, evt

from tests.dicomweb.answers import parts
from tests.doors.samples_expected import IMPLICIT, LITTLE, Sample, split
from tests.doors.samples_roads import AET, batches, kind
from tests.platform import Platform

Contents = dict[str, tuple[str, bytes]]
AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
STUDY_GET, STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.3", "1.2.840.10008.5.1.4.1.2.2.2"
DESTINATION = "FETCHED"

logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)


def study_uids(client: httpx.Client) -> list[str]:
    """Every study that the archive says it has, page by page."""
    found: list[str] = []
    while page := client.get("/studies", params={"limit": 200, "offset": len(found)}, headers={"Accept": "application/dicom+json"}).json():
        found += [row["0020000D"]["Value"][0] for row in page]
    return found


def by_wado(client: httpx.Client) -> Contents:
    """WADO-RS of every study, as stored."""
    found: Contents = {}
    for study in study_uids(client):
        answer = client.get(f"/studies/{study}", headers={"Accept": AS_STORED})
        assert answer.status_code == 200, f"{study}: {answer.status_code} {answer.text[:200]}"
        for part in parts(answer):
            meta, dataset = split(part.content)
            assert part.transfer_syntax_uid == meta.TransferSyntaxUID
            uid = str(meta.MediaStorageSOPInstanceUID)
            assert uid not in found, f"{uid} came twice"
            found[uid] = (str(meta.TransferSyntaxUID), dataset)
    return found


def by_get(platform: Platform, stored: Sequence[Sample]) -> Contents:
    """C-GET by pynetdicom, which proposes for each SOP class the syntaxes that its instances are stored in."""
    found: Contents = {}

    def keep(event: Any) -> int:
        found[str(event.request.AffectedSOPInstanceUID)] = (str(event.context.transfer_syntax), event.request.DataSet.getvalue())
        return 0

    for batch in batches(by_study(stored)):
        kinds = list(dict.fromkeys(map(kind, batch)))
        contexts = [build_context(STUDY_GET, [LITTLE]), *(build_context(sop_class, [syntax]) for sop_class, syntax in kinds)]
        roles = [build_role(sop_class, scp_role=True) for sop_class in dict.fromkeys(sop_class for sop_class, _ in kinds)]
        association = caller().associate(
            "127.0.0.1", platform.dicom_port, contexts, ae_title=platform.aet, ext_neg=roles, evt_handlers=[(evt.EVT_C_STORE, keep)]
        )
        assert association.is_established
        for uids in studies_of(batch):
            final = list(association.send_c_get(asked(uids), STUDY_GET))[-1][0]
            assert final.Status in (0, 0xB000), f"{final.Status:04X} {final.get('ErrorComment', '')}"
        association.release()
    return found


def by_move(platform: Platform, stored: Sequence[Sample]) -> Contents:
    """C-MOVE to pynetdicom, which takes every class in every syntax."""
    found: Contents = {}
    association = caller([STUDY_MOVE]).associate("127.0.0.1", platform.dicom_port, ae_title=platform.aet)
    assert association.is_established
    with receiver(stored, found) as port:
        platform.device(DESTINATION, port)
        for uids in studies_of(by_study(stored)):
            final = list(association.send_c_move(asked(uids), DESTINATION, STUDY_MOVE))[-1][0]
            assert final.Status == 0, f"{final.Status:04X} {final.get('ErrorComment', '')}"
    association.release()
    return found


@contextmanager
def receiver(stored: Sequence[Sample], into: Contents) -> Iterator[int]:
    """A storage SCP of pynetdicom that keeps the bytes of every dataset; its port."""

    def keep(event: Any) -> int:
        into[str(event.request.AffectedSOPInstanceUID)] = (str(event.context.transfer_syntax), event.request.DataSet.getvalue())
        return 0

    ae = AE(DESTINATION)
    ae.maximum_associations = 20
    syntaxes = sorted({LITTLE, IMPLICIT, *(one.transfer_syntax_uid for one in stored)})
    for sop_class in {one.sop_class_uid for one in stored}:
        ae.add_supported_context(sop_class, syntaxes)
    unrestricted, _config.UNRESTRICTED_STORAGE_SERVICE = (
        _config.UNRESTRICTED_STORAGE_SERVICE,
        True,
    )  # it aborts on classes that it does not know
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, keep)])
    try:
        yield server.socket.getsockname()[1]
    finally:
        server.shutdown()
        _config.UNRESTRICTED_STORAGE_SERVICE = unrestricted


def caller(abstract_syntaxes: Sequence[str] = ()) -> AE:
    """An application entity that the platform knows."""
    ae = AE(AET)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 60
    for abstract in abstract_syntaxes:
        ae.add_requested_context(abstract, [LITTLE])
    return ae


def by_study(stored: Sequence[Sample]) -> list[Sample]:
    """Samples with those of a study next to each other, so that an association has the contexts for all of it."""
    return sorted(stored, key=lambda one: one.study_uid)


def studies_of(batch: Sequence[Sample]) -> Iterator[list[str]]:
    """The studies of a batch in lists that fit in one identifier."""
    uids = list(dict.fromkeys(one.study_uid for one in batch))
    for start in range(0, len(uids), 50):
        yield uids[start : start + 50]


def asked(study_uids: list[str]) -> Dataset:
    """The identifier of a retrieve of studies."""
    identifier = Dataset()
    identifier.QueryRetrieveLevel, identifier.StudyInstanceUID = "STUDY", study_uids
    return identifier
