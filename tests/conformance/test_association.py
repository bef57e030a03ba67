"""Claims of the conformance statement about associations, seen from pynetdicom on a running platform."""

from __future__ import annotations

from typing import Any

from pydicom import Dataset
from pynetdicom import AE, build_context, evt
from pynetdicom.pdu_primitives import AsynchronousOperationsWindowNegotiation

from archipel.dicom import uids
from tests import make
from tests.doors import samples_roads
from tests.doors.samples_back import STUDY_MOVE, asked
from tests.doors.samples_expected import LITTLE
from tests.platform import Platform

VERIFICATION, WORKLIST, CT = "1.2.840.10008.1.1", "1.2.840.10008.5.1.4.31", "1.2.840.10008.5.1.4.1.1.2"
PRINT, MPPS, UPS_PUSH = "1.2.840.10008.5.1.1.9", "1.2.840.10008.3.1.2.3.3", "1.2.840.10008.5.1.4.34.6.1"


def associate(platform: Platform, contexts: list[Any], **options: Any) -> Any:
    """An association as our device."""
    ae = AE(samples_roads.AET)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 30
    return ae.associate("127.0.0.1", platform.dicom_port, contexts, ae_title=platform.aet, **options)


def test_who_we_are_and_what_we_negotiate(running: Platform) -> None:
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked = window.maximum_number_operations_performed = 8
    association = associate(running, [build_context(VERIFICATION)], ext_neg=[window])
    assert association.is_established
    acceptor = association.acceptor
    assert acceptor.implementation_class_uid == uids.IMPLEMENTATION_CLASS_UID
    assert acceptor.implementation_version_name == uids.IMPLEMENTATION_VERSION_NAME
    assert acceptor.maximum_length == 131_072
    assert acceptor.asynchronous_operations == (1, 1)
    assert association.send_c_echo().Status == 0
    association.release()


def test_services_that_are_not_provided_are_refused_one_by_one(running: Platform) -> None:
    """Abstract syntax not supported (3), and the association stands for the rest."""
    refused = [WORKLIST, PRINT, MPPS, UPS_PUSH]
    association = associate(running, [build_context(VERIFICATION), *map(build_context, refused)])
    assert association.is_established
    assert {context.abstract_syntax: context.result for context in association.rejected_contexts} == dict.fromkeys(refused, 3)
    assert association.send_c_echo().Status == 0
    association.release()


def test_a_moved_instance_names_who_asked(running: Platform) -> None:
    """Move Originator Application Entity Title and Message ID (PS3.7 9.1.1.1)."""
    (ds,) = make.ct_study(instances=1)
    body = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + make.part10(ds) + b"\r\n--x--\r\n"
    with samples_roads.web(running) as client:
        headers = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=x'}
        assert client.post("/studies", content=body, headers=headers).status_code == 200
    seen: list[tuple[str, int]] = []

    def keep(event: Any) -> int:
        seen.append((event.request.MoveOriginatorApplicationEntityTitle, event.request.MoveOriginatorMessageID))
        return 0

    ae = AE("DESTINATION")
    ae.add_supported_context(CT, [LITTLE])
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, keep)])
    try:
        running.device("DESTINATION", server.socket.getsockname()[1])
        association = associate(running, [build_context(STUDY_MOVE, [LITTLE])])
        final: Dataset = list(association.send_c_move(asked([ds.StudyInstanceUID]), "DESTINATION", STUDY_MOVE, msg_id=77))[-1][0]
        association.release()
    finally:
        server.shutdown()
    assert final.Status == 0
    assert seen == [(samples_roads.AET, 77)]
