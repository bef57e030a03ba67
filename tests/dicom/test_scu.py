"""Our requestor against independent acceptors: pynetdicom, DCMTK's storescp, and peers that misbehave."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pynetdicom import AE, evt
from pynetdicom.dsutils import decode as their_decode
from pynetdicom.dsutils import encode as their_encode

from archipel.dicom import message, pdu, scu, sop_classes
from archipel.kit.errors import Invalid, Unavailable
from tests import servers

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
LIMITS = scu.Limits(connect_s=3, artim_s=3, response_s=5)


@contextmanager
def pynetdicom_acceptor(handlers: list[Any], contexts: list[str], roles: bool = False) -> Iterator[scu.Peer]:
    ae = AE("THERE")
    ae.require_called_aet = True
    for uid in contexts:
        ae.add_supported_context(uid, [EXPLICIT, IMPLICIT], scu_role=True if roles else None, scp_role=True if roles else None)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        yield scu.Peer("127.0.0.1", server.server_address[1], "THERE", "HERE")
    finally:
        server.shutdown()


def ct_dataset() -> tuple[bytes, Dataset]:
    ds = dcmread(str(get_testdata_file("CT_small.dcm")))
    return their_encode(ds, False, True) or b"", ds


def chopped(data: bytes, size: int) -> Iterator[bytes]:
    yield from (data[i : i + size] for i in range(0, len(data), size))


def test_echo_and_store_reach_pynetdicom_as_sent() -> None:
    got: list[tuple[str, bytes, str]] = []

    def on_store(event: Any) -> int:
        originator = event.request.MoveOriginatorApplicationEntityTitle
        got.append((event.request.AffectedSOPInstanceUID, event.request.DataSet.getvalue(), originator))
        return 0x0000

    handlers = [(evt.EVT_C_ECHO, lambda event: 0x0000), (evt.EVT_C_STORE, on_store)]
    data, ds = ct_dataset()
    with pynetdicom_acceptor(handlers, [sop_classes.VERIFICATION, CT]) as peer:
        offers = [(sop_classes.VERIFICATION, [IMPLICIT]), (CT, [EXPLICIT])]
        with scu.Association(peer, offers, limits=LIMITS) as association:
            assert association.echo().status == 0
            assert association.accepts(CT) == (EXPLICIT,)
            answer = association.store(CT, ds.SOPInstanceUID, EXPLICIT, chopped(data, 777), originator=("VIEWER", 4))
            assert answer.status == 0
            with pytest.raises(Invalid):
                association.store(CT, ds.SOPInstanceUID, IMPLICIT, [data])
    assert got == [(ds.SOPInstanceUID, data, "VIEWER")]


def test_store_status_and_comment_of_the_peer_come_back() -> None:
    def on_store(event: Any) -> Dataset:
        answer = Dataset()
        answer.Status, answer.ErrorComment = 0xA700, "disk full"
        return answer

    data, ds = ct_dataset()
    with pynetdicom_acceptor([(evt.EVT_C_STORE, on_store)], [CT]) as peer, scu.Association(peer, [(CT, [EXPLICIT])]) as association:
        answer = association.store(CT, ds.SOPInstanceUID, EXPLICIT, [data])
    assert (answer.status, answer.comment) == (0xA700, "disk full")


def test_find_yields_pending_answers_then_the_final_one() -> None:
    def on_find(event: Any) -> Iterator[tuple[int, Dataset | None]]:
        for n in range(3):
            row = Dataset()
            row.PatientID = f"{event.identifier.PatientID}{n}"
            yield 0xFF00, row

    identifier = Dataset()
    identifier.PatientID, identifier.QueryRetrieveLevel = "P", "PATIENT"
    model = sop_classes.PATIENT_FIND
    with pynetdicom_acceptor([(evt.EVT_C_FIND, on_find)], [model]) as peer, scu.Association(peer, [(model, [EXPLICIT])]) as association:
        answers = list(association.find(model, their_encode(identifier, False, True) or b"", EXPLICIT))
    assert [a.status for a in answers] == [0xFF00, 0xFF00, 0xFF00, 0]
    assert [their_decode(BytesIO(a.dataset), False, True).PatientID for a in answers[:3]] == ["P0", "P1", "P2"]


def test_event_report_reaches_a_peer_whose_role_is_reversed() -> None:
    got: list[tuple[int, str]] = []

    def on_event(event: Any) -> tuple[int, None]:
        got.append((event.request.EventTypeID, event.event_information.TransactionUID))
        return 0x0000, None

    uid = sop_classes.STORAGE_COMMITMENT_PUSH
    result = Dataset()
    result.TransactionUID = "1.2.3.4"
    roles = [pdu.RoleSelection(uid, scu=False, scp=True)]
    with (
        pynetdicom_acceptor([(evt.EVT_N_EVENT_REPORT, on_event)], [uid], roles=True) as peer,
        scu.Association(peer, [(uid, [EXPLICIT])], roles=roles, limits=LIMITS) as association,
    ):
        assert association.roles[uid] == roles[0]
        data = their_encode(result, False, True) or b""
        assert association.n_event_report(uid, sop_classes.STORAGE_COMMITMENT_PUSH_INSTANCE, 1, data).status == 0
    assert got == [(1, "1.2.3.4")]


def test_wrong_called_title_is_told_in_words() -> None:
    with pynetdicom_acceptor([], [sop_classes.VERIFICATION]) as peer:
        wrong = scu.Peer(peer.host, peer.port, "OTHER", "HERE")
        with pytest.raises(Unavailable, match="not called by the AE title") as refused:
            scu.Association(wrong, [(sop_classes.VERIFICATION, [IMPLICIT])], limits=LIMITS).open()
    assert refused.value.code == "rejected"


def test_store_to_dcmtk_arrives_byte_for_byte(tmp_path: Path, dcmtk: servers.Dcmtk) -> None:
    port = servers.free_port()
    argv = dcmtk.command("storescp", "+B", "-od", tmp_path, port)
    storescp = servers.Process(argv, tmp_path / "log", servers.DCMTK_ENVIRONMENT)
    storescp.start(port)
    data, ds = ct_dataset()
    try:
        peer = scu.Peer("127.0.0.1", port, "STORESCP", "HERE")
        with scu.Association(peer, [(CT, [EXPLICIT])], limits=LIMITS) as association:
            assert association.store(CT, ds.SOPInstanceUID, EXPLICIT, chopped(data, 100_003)).status == 0
    finally:
        storescp.stop()
    (stored,) = tmp_path.glob("CT*")
    assert stored.read_bytes().endswith(data)


@contextmanager
def scripted(*answers: bytes, hold: bool = False) -> Iterator[scu.Peer]:
    """An acceptor that answers each read with the next bytes, then closes or, if asked, goes silent."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def run() -> None:
        connection, _ = listener.accept()
        with connection:
            for answer in answers:
                connection.recv(65536)
                connection.sendall(answer)
            if hold:
                done.wait(10)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield scu.Peer("127.0.0.1", listener.getsockname()[1], "THERE", "HERE")
    finally:
        done.set()
        thread.join(10)
        listener.close()


ACCEPT = pdu.encode(
    pdu.AssociateAccept("THERE", "HERE", (pdu.AnsweredContext(1, 0, IMPLICIT),), pdu.UserInformation(16384, "1.2.3")),
)
OFFER = [(sop_classes.VERIFICATION, [IMPLICIT])]
SHORT = scu.Limits(connect_s=1, artim_s=0.3, response_s=0.3)


def called(peer: scu.Peer) -> scu.Association:
    return scu.Association(peer, OFFER, limits=SHORT)


@pytest.mark.parametrize(
    ("answers", "hold", "code"),
    [
        ([], True, "timeout"),
        ([b""], False, "aborted"),
        ([pdu.encode(pdu.Abort(2, 1))], False, "aborted"),
        ([pdu.encode(pdu.ReleaseRequest())], False, "aborted"),
        ([ACCEPT[:40]], True, "timeout"),
        ([ACCEPT, b""], True, "timeout"),
        ([ACCEPT, pdu.encode(pdu.Abort(0))], False, "aborted"),
    ],
)
def test_a_peer_that_stalls_or_breaks_off_is_unavailable(answers: list[bytes], hold: bool, code: str) -> None:
    with scripted(*answers, hold=hold) as peer, pytest.raises(Unavailable) as failed, called(peer) as association:
        association.echo()
    assert failed.value.code == code


@pytest.mark.parametrize("answers", [[struct.pack(">BxL", 2, 2**32 - 1)], [b"HTTP/1.1 400"], [ACCEPT, struct.pack(">BxL", 4, 2**32 - 1)]])
def test_a_pdu_that_is_none_or_declares_gigabytes_is_refused(answers: list[bytes]) -> None:
    with scripted(*answers, hold=True) as peer, pytest.raises(pdu.PduError), called(peer) as association:
        association.echo()


def test_nothing_listens_there() -> None:
    with pytest.raises(Unavailable) as failed:
        scu.Association(scu.Peer("127.0.0.1", servers.free_port(), "A", "B"), OFFER, limits=SHORT).open()
    assert failed.value.code == "no-connection"


def test_a_response_to_another_message_breaks_off() -> None:
    stray = message.command_pdus(1, message.Command(0x8030, responded_to=77, status=0), 16378)
    with scripted(ACCEPT, stray, hold=True) as peer, pytest.raises(Unavailable, match="C-ECHO"), called(peer) as association:
        association.echo()
