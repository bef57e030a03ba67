"""Who gets an association, on what terms, and what hostile or clumsy peers get instead."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import pytest
from pynetdicom.dsutils import encode
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from archipel import audit, directory
from archipel.dicom import message, pdu
from archipel.dicom.pdu import AnsweredContext, AssociateAccept, AssociateReject, ProposedContext
from archipel.kit.errors import Unavailable
from tests import make
from tests.dimse.peers import CT, EXPLICIT, IMPLICIT, VERIFICATION, Raw, call, ours, store, until
from tests.dimse.region import TEST, Region
from tests.servers import Dcmtk

ECHO = [ProposedContext(1, VERIFICATION, (IMPLICIT,))]


def rejection(region: Region, **names: str) -> Any:
    with Raw(region) as raw:
        return raw.associate(ECHO, **names)


def test_unknown_called_title_is_told_so(region: Region) -> None:
    assert rejection(region, called="OTHER") == AssociateReject(1, 1, 7)


def test_unknown_calling_title_is_told_so(region: Region) -> None:
    assert rejection(region, calling="STRANGER") == AssociateReject(1, 1, 3)


def test_known_title_from_another_address_is_not_recognised(region: Region) -> None:
    region.device("ELSEWHERE", host="192.0.2.7")
    assert rejection(region, calling="ELSEWHERE") == AssociateReject(1, 1, 3)


def test_inactive_device_is_not_recognised(region: Region) -> None:
    region.device("RETIRED", active=False)
    assert rejection(region, calling="RETIRED") == AssociateReject(1, 1, 3)


def test_dcmtk_reports_our_reason(region: Region, dcmtk: Dcmtk) -> None:
    done = dcmtk.run("echoscu", "-aet", "STRANGER", "-aec", region.aet, "127.0.0.1", region.port, check=False)
    assert "Calling AE Title Not Recognized" in done.stdout + done.stderr
    done = dcmtk.run("echoscu", "-aet", "MODALITY", "-aec", "OTHER", "127.0.0.1", region.port, check=False)
    assert "Called AE Title Not Recognized" in done.stdout + done.stderr


def test_wrong_application_context_and_protocol_version_are_refused(region: Region) -> None:
    for request, reason in (
        (pdu.AssociateRequest(region.aet, "MODALITY", tuple(ECHO), pdu.UserInformation(), application_context="1.2.3"), (1, 1, 2)),
        (pdu.AssociateRequest(region.aet, "MODALITY", tuple(ECHO), pdu.UserInformation(), protocol_version=2), (1, 2, 2)),
    ):
        with Raw(region) as raw:
            raw.send(pdu.encode(request))
            assert raw.read() == AssociateReject(*reason)


def test_associations_are_capped_per_device_and_in_all(make_region: Callable[..., Region]) -> None:
    region = make_region(associations_max=3, associations_per_device_max=2)
    for title in ("A", "B", "C"):
        region.device(title)
    open_ones = [Raw(region) for _ in range(3)]
    try:
        for raw, title in zip(open_ones, "AAB", strict=True):
            assert isinstance(raw.associate(ECHO, calling=title), AssociateAccept)
        assert rejection(region, calling="A") == AssociateReject(2, 3, 2)
        assert rejection(region, calling="C") == AssociateReject(2, 3, 2)
        assert sorted(a.calling_aet for a in region.door.associations()) == ["A", "A", "B"]
    finally:
        for raw in open_ones:
            raw.socket.close()
    until(lambda: region.door.associations() == [])
    assert isinstance(rejection(region, calling="A"), AssociateAccept)


def test_contexts_are_answered_one_by_one(region: Region) -> None:
    proposed = [
        ProposedContext(1, CT, ("1.2.840.10008.1.2.4.70", EXPLICIT)),
        ProposedContext(3, "1.2.840.10008.5.1.4.31", (IMPLICIT,)),  # modality worklist
        ProposedContext(5, CT, ("1.2.3.4",)),
        ProposedContext(7, "1.2.840.10008.5.1.4.1.2.2.1", (IMPLICIT, EXPLICIT)),
        ProposedContext(9, "1.3.12.2.1107.5.9.1", (EXPLICIT,)),
        ProposedContext(255, "1.2.840.10008.5.1.4.1.1.77.1.9", ("1.2.840.10008.1.2.4.202",)),
    ]
    with Raw(region) as raw:
        answer = raw.associate(proposed)
    assert [(c.id, c.result) for c in answer.contexts] == [(1, 0), (3, 3), (5, 4), (7, 0), (9, 0), (255, 0)]
    assert answer.contexts[0] == AnsweredContext(1, 0, "1.2.840.10008.1.2.4.70")  # the proposer's first wish for what it stores
    assert answer.contexts[3] == AnsweredContext(7, 0, EXPLICIT)
    assert (answer.called_ae, answer.calling_ae) == (region.aet, "MODALITY")
    assert answer.user.length_max_bytes == 131_072


HOSTILE = [
    struct.pack(">BxL", 1, 2**32 - 1),
    pdu.data_head(1, True, True, 4) + b"data",
    struct.pack(">BxL", 0x77, 10),
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    pdu.encode(pdu.ReleaseRequest()),
    pdu.encode(AssociateReject(1, 1, 1)),
    struct.pack(">BxL", 1, 10) + b"0123456789",
]


@pytest.mark.parametrize("data", HOSTILE)
def test_what_is_no_request_is_aborted(region: Region, data: bytes) -> None:
    with Raw(region) as raw:
        raw.send(data)
        assert isinstance(raw.read(), pdu.Abort)
        assert raw.read() is None


AFTER_ACCEPTANCE = [
    struct.pack(">BxL", 4, 2**32 - 1),
    struct.pack(">BxL", 4, (1 << 20) + 1),
    struct.pack(">BxLLBB", 4, 6, 4_000_000, 1, 3),
    message.command_pdus(3, message.Command(message.C_ECHO_RQ, message_id=1), 1000),  # a context that was not accepted
    pdu.data_head(1, True, True, 8) + b"\x08\0\x18\0\xff\xff\0\0",
    pdu.data_head(1, False, True, 4) + b"data",  # a dataset without a command
    message.command_pdus(1, message.Command(0x8030, responded_to=1, status=0), 1000),  # an answer to nothing
    pdu.encode(pdu.AssociateRequest("ARCHIPEL", "MODALITY", tuple(ECHO), pdu.UserInformation())),
    b"".join(pdu.data_head(1, True, False, 8000) + bytes(8000) for _ in range(3)),  # a command set without end
]


@pytest.mark.parametrize("data", AFTER_ACCEPTANCE)
def test_a_broken_protocol_is_aborted_and_the_others_go_on(region: Region, data: bytes) -> None:
    with ours(region, [(VERIFICATION, [IMPLICIT])]) as neighbour, Raw(region) as raw:
        assert isinstance(raw.associate(ECHO), AssociateAccept)
        raw.send(data)
        answer = raw.read()
        assert isinstance(answer, pdu.Abort)
        assert answer.source == 2
        assert raw.read() is None
        assert neighbour.echo().status == 0


def test_an_unknown_operation_is_answered(region: Region) -> None:
    with Raw(region) as raw:
        raw.associate(ECHO)
        raw.send(message.command_pdus(1, message.Command(message.N_SET_RQ, message_id=9, requested_class_uid=VERIFICATION), 1000))
        body = raw.read()
        assert isinstance(body, bytes)
        (value,) = pdu.values(memoryview(body))
        command = message.decode_command(bytes(value.data))
    assert (command.command_field, command.responded_to, command.status) == (0x8120, 9, 0x0211)


def test_a_peer_that_never_asks_is_dropped(make_region: Callable[..., Region]) -> None:
    region = make_region(artim_s=0.3)
    for first in (b"", b"\x01\x00\x00"):
        with Raw(region) as raw:
            raw.send(first)
            started = time.monotonic()
            assert raw.read() is None
            assert time.monotonic() - started < 3


def test_an_idle_association_is_ended(make_region: Callable[..., Region]) -> None:
    region = make_region(idle_s=0.3)
    region.device("MODALITY")
    with Raw(region) as raw:
        raw.associate(ECHO)
        assert raw.read() is None
    until(lambda: region.door.associations() == [])


def test_a_peer_that_stalls_within_an_instance_is_dropped(make_region: Callable[..., Region]) -> None:
    region = make_region(stall_s=0.3, memory_bytes_each=65_536)
    region.device("MODALITY")
    with Raw(region) as raw:
        raw.associate([ProposedContext(1, CT, (EXPLICIT,))])
        raw.store_command()
        raw.send(pdu.data_head(1, False, False, 100_000) + bytes(100_000))
        until(lambda: len(region.spool_files()) == 1)
        raw.send(pdu.data_head(1, False, False, 100_000) + bytes(5))
        assert raw.read() is None
    until(lambda: region.spool_files() == [] and region.door.associations() == [])


def test_a_peer_that_reads_no_answers_is_dropped(make_region: Callable[..., Region]) -> None:
    region = make_region(stall_s=0.5)
    region.device("MODALITY")
    with Raw(region) as raw:
        raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.associate(ECHO)
        echo = message.command_pdus(1, message.Command(message.C_ECHO_RQ, message_id=1, affected_class_uid=VERIFICATION), 1000)
        raw.socket.settimeout(0.2)
        with pytest.raises((TimeoutError, ConnectionError)):
            while True:
                raw.send(echo * 1000)
        until(lambda: region.door.associations() == [])


def test_one_address_cannot_fill_the_door_with_silent_connections(make_region: Callable[..., Region]) -> None:
    region = make_region(artim_s=20)
    silent = [Raw(region) for _ in range(40)]
    try:
        refused = [raw for raw in silent if closed(raw)]
        assert len(refused) == 8
    finally:
        for raw in silent:
            raw.socket.close()


def closed(raw: Raw) -> bool:
    raw.socket.settimeout(0.2)
    try:
        return raw.socket.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


def test_random_bytes_never_harm_the_door(region: Region) -> None:
    noise = random.Random(4)
    request = pdu.encode(
        pdu.AssociateRequest("ARCHIPEL", "MODALITY", (ProposedContext(1, CT, (EXPLICIT,)),), pdu.UserInformation(16384, "1.2"))
    )
    for number in range(60):
        data = bytearray(noise.randbytes(noise.randrange(1, 400)))
        if number % 2:
            data = bytearray(request + pdu.data_head(1, True, True, 90) + bytes(90))
            for _ in range(noise.randrange(1, 8)):
                data[noise.randrange(len(data))] = noise.randrange(256)
        with Raw(region) as raw:
            raw.send(bytes(data))
    until(lambda: region.door.associations() == [])
    store(region, make.ct_study(instances=1))


def test_padding_in_titles_is_ignored(region: Region) -> None:
    with Raw(region) as raw:
        request = bytearray(pdu.encode(pdu.AssociateRequest("ARCHIPEL", "MODALITY", tuple(ECHO), pdu.UserInformation(16384, "1.2"))))
        request[10:26] = b"ARCHIPEL".ljust(16, b"\0")
        request[26:42] = b"  MODALITY".ljust(16)
        raw.send(bytes(request))
        assert isinstance(raw.read(), AssociateAccept)


def test_the_system_page_sees_what_is_open(region: Region) -> None:
    with ours(region, [(CT, [EXPLICIT])]) as association:
        (ds,) = make.ct_study(instances=1)
        association.store(CT, ds.SOPInstanceUID, EXPLICIT, [encode(ds, False, True) or b""])
        (seen,) = region.door.associations()
    assert (seen.calling_aet, seen.address, seen.received_count, seen.sent_count) == ("MODALITY", "127.0.0.1", 1, 0)
    assert seen.bytes > 500


def test_devices_are_looked_up_afresh(region: Region) -> None:
    assert isinstance(rejection(region, calling="LATER"), AssociateReject)
    region.device("LATER")
    assert isinstance(rejection(region, calling="LATER"), AssociateAccept)
    region.database.transact(lambda tx: directory.remove_device(tx, TEST, "LATER"))
    assert isinstance(rejection(region, calling="LATER"), AssociateReject)


def test_a_stop_finishes_what_is_under_way_and_refuses_the_rest(make_region: Callable[..., Region]) -> None:
    region = make_region(release_wait_s=0.5)
    region.device("MODALITY")
    (first,), (second,) = make.ct_study(instances=1), make.ct_study(instances=1)
    data = encode(first, False, True) or b""
    with Raw(region) as raw:
        raw.associate([ProposedContext(1, CT, (EXPLICIT,))])
        raw.store_command(first.SOPInstanceUID)
        raw.send(pdu.data_head(1, False, False, 100) + data[:100])
        until(lambda: not next(iter(region.door._open.values())).is_idle)
        stopping = asyncio.run_coroutine_threadsafe(region.door.stop(10), region.loop)
        until(lambda: region.door._draining)
        assert rejection(region) == AssociateReject(2, 3, 1)
        rest = data[100:]
        raw.send(pdu.data_head(1, False, True, len(rest)) + rest)
        assert status_of(raw) == 0
        raw.store_command(second.SOPInstanceUID)
        raw.send(pdu.data_head(1, False, True, 4) + b"data")
        assert status_of(raw) == 0xA700
        assert isinstance(raw.read(), pdu.Abort)
        stopping.result(10)
    assert region.stored() == {first.SOPInstanceUID}
    with pytest.raises(Unavailable):
        ours(region, [(CT, [EXPLICIT])]).open()


def status_of(raw: Raw) -> int | None:
    body = raw.read()
    assert isinstance(body, bytes)
    (value,) = pdu.values(memoryview(body))
    return message.decode_command(bytes(value.data)).status


def test_pynetdicom_negotiates_roles_and_query_options(region: Region) -> None:
    asked = SOPClassExtendedNegotiation()
    asked.sop_class_uid = "1.2.840.10008.5.1.4.1.2.2.1"
    asked.service_class_application_information = b"\x01\x01\x01\x01"
    association = call(region, [(CT, [EXPLICIT]), (asked.sop_class_uid, [EXPLICIT])], as_scp=[CT], ext_neg=[asked])
    assert association.is_established
    (context,) = [c for c in association.accepted_contexts if c.abstract_syntax == CT]
    assert context.as_scp
    assert association.acceptor.sop_class_extended == {asked.sop_class_uid: b"\x01\x00\x01\x00"}
    association.release()


def records(region: Region, actor_id: str) -> list[audit.AuditRecord]:
    with region.database.read() as tx:
        return [r for r in audit.search(tx, actor_id=actor_id) if r.action == "dimse.association"]


def test_rejections_are_audited_once_a_minute(region: Region) -> None:
    for _ in range(3):
        rejection(region, calling="STRANGER")
    until(lambda: records(region, "STRANGER"))
    (record,) = records(region, "STRANGER")
    assert (record.outcome, record.actor.address, record.detail["reason"]) == (
        audit.Outcome.REFUSED,
        "127.0.0.1",
        "calling AE title not recognised",
    )


def test_an_association_that_stored_is_audited_with_its_counts(region: Region) -> None:
    store(region, make.ct_study(instances=2))
    until(lambda: region.door.associations() == [])
    until(lambda: records(region, "MODALITY"))
    (record,) = records(region, "MODALITY")
    assert (record.detail["received_count"], record.detail["failed_count"], record.detail["how"]) == (2, 0, "released")


def test_a_database_that_is_away_is_temporary_congestion(region: Region) -> None:
    region.database.close()
    path = region.folder / "archipel.db"
    hidden = path.rename(path.with_suffix(".away"))
    path.mkdir()
    try:
        assert rejection(region) == AssociateReject(2, 3, 1)
    finally:
        path.rmdir()
        hidden.rename(path)
    assert isinstance(rejection(region), AssociateAccept)
