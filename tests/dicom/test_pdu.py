"""The PDU codec against itself, against pynetdicom's and against rubbish."""

from __future__ import annotations

import struct
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pynetdicom import pdu as their_pdu
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.presentation import build_context

from archipel.dicom import pdu
from archipel.dicom.pdu import (
    Abort,
    AnsweredContext,
    AssociateAccept,
    AssociateReject,
    AssociateRequest,
    ExtendedNegotiation,
    PduError,
    ProposedContext,
    ReleaseAnswer,
    ReleaseRequest,
    RoleSelection,
    UserIdentity,
    UserInformation,
)
from tests import fuzzing

FUZZ_SECONDS = fuzzing.FUZZ_SECONDS
EXAMPLES = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

uids = st.from_regex(r"[0-2](\.(0|[1-9][0-9]{0,5})){1,8}", fullmatch=True)
titles = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", min_size=1, max_size=16)
roles = st.builds(RoleSelection, uids, st.booleans(), st.booleans())
extended = st.builds(ExtendedNegotiation, uids, st.binary(max_size=8))
identities = st.builds(UserIdentity, st.integers(1, 5), st.booleans(), st.binary(max_size=40), st.binary(max_size=40))
users = st.builds(
    UserInformation,
    length_max_bytes=st.integers(0, 2**32 - 1),
    implementation_class_uid=uids,
    implementation_version=titles,
    operations=st.none() | st.tuples(st.integers(0, 65535), st.integers(0, 65535)),
    roles=st.lists(roles, max_size=5).map(tuple),
    extended=st.lists(extended, max_size=5).map(tuple),
    identity=st.none() | identities,
    identity_answer=st.none() | st.binary(max_size=40),
)


def odd_ids(context: st.SearchStrategy) -> st.SearchStrategy:
    ids = st.integers(0, 127).map(lambda n: 2 * n + 1)
    return st.lists(st.tuples(ids, context), unique_by=lambda pair: pair[0], min_size=1, max_size=128).map(
        lambda pairs: tuple(make(i) for i, make in pairs)
    )


proposed = st.builds(lambda a, t: lambda i: ProposedContext(i, a, tuple(t)), uids, st.lists(uids, max_size=6))
answered = st.builds(lambda r, t: lambda i: AnsweredContext(i, r, t), st.integers(0, 4), uids)
pdus = st.one_of(
    st.builds(AssociateRequest, titles, titles, odd_ids(proposed), users),
    st.builds(AssociateAccept, titles, titles, odd_ids(answered), users),
    st.builds(AssociateReject, st.integers(1, 2), st.integers(1, 3), st.integers(1, 7)),
    st.builds(Abort, st.integers(0, 2), st.integers(0, 6)),
    st.builds(ReleaseRequest),
    st.builds(ReleaseAnswer),
)


def decoded(data: bytes) -> pdu.Pdu:
    kind, length = pdu.read_head(data[:6], 131_072)
    assert length == len(data) - 6
    return pdu.decode(kind, data[6:])


@EXAMPLES
@given(pdus)
def test_decoding_gives_back_what_was_encoded(value: pdu.Pdu) -> None:
    assert decoded(pdu.encode(value)) == value


def their_request() -> A_ASSOCIATE:
    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = "CT_NORTH", "ARCHIPEL"
    context = build_context("1.2.840.10008.5.1.4.1.1.2", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.70"])
    context.context_id = 3
    primitive.presentation_context_definition_list = [context]
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    version = ImplementationVersionNameNotification()
    length.maximum_length_received, implementation.implementation_class_uid, version.implementation_version_name = 16382, "1.2.3", "V1"
    role, window, query, identity = (
        SCP_SCU_RoleSelectionNegotiation(),
        AsynchronousOperationsWindowNegotiation(),
        SOPClassExtendedNegotiation(),
        UserIdentityNegotiation(),
    )
    role.sop_class_uid, role.scu_role, role.scp_role = "1.2.840.10008.5.1.4.1.1.2", False, True
    window.maximum_number_operations_invoked, window.maximum_number_operations_performed = 5, 2
    query.sop_class_uid, query.service_class_application_information = "1.2.840.10008.5.1.4.1.2.2.1", b"\x01\x00\x01"
    identity.user_identity_type, identity.primary_field, identity.secondary_field = 2, b"marie", b"secret"
    identity.positive_response_requested = True
    primitive.user_information = [length, implementation, version, role, window, query, identity]
    return primitive


def test_request_of_pynetdicom_is_read_in_full() -> None:
    theirs = their_pdu.A_ASSOCIATE_RQ()
    theirs.from_primitive(their_request())
    ours = decoded(theirs.encode())
    assert isinstance(ours, AssociateRequest)
    assert (ours.calling_ae, ours.called_ae, ours.protocol_version) == ("CT_NORTH", "ARCHIPEL", 1)
    assert ours.application_context == pdu.APPLICATION_CONTEXT
    assert ours.contexts == (ProposedContext(3, "1.2.840.10008.5.1.4.1.1.2", ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.70")),)
    assert ours.user == UserInformation(
        length_max_bytes=16382,
        implementation_class_uid="1.2.3",
        implementation_version="V1",
        operations=(5, 2),
        roles=(RoleSelection("1.2.840.10008.5.1.4.1.1.2", False, True),),
        extended=(ExtendedNegotiation("1.2.840.10008.5.1.4.1.2.2.1", b"\x01\x00\x01"),),
        identity=UserIdentity(2, True, b"marie", b"secret"),
    )


def test_our_acceptance_is_read_by_pynetdicom() -> None:
    user = UserInformation(65536, "1.2.3.4", "OURS", roles=(RoleSelection("1.2.840.10008.5.1.4.1.1.2", False, True),))
    ours = AssociateAccept("ARCHIPEL", "CT", (AnsweredContext(1, 0, "1.2.840.10008.1.2"), AnsweredContext(3, 3, "")), user)
    theirs = their_pdu.A_ASSOCIATE_AC()
    theirs.decode(pdu.encode(ours))
    primitive = theirs.to_primitive()
    assert [(c.context_id, c.result) for c in primitive.presentation_context_definition_results_list] == [(1, 0), (3, 3)]
    assert primitive.maximum_length_received == 65536
    assert primitive.implementation_class_uid == "1.2.3.4"
    assert (primitive.called_ae_title, primitive.calling_ae_title) == ("ARCHIPEL", "CT")


def test_our_request_is_read_by_pynetdicom() -> None:
    user = UserInformation(131072, "1.2.3.4", "OURS", (1, 1), identity=UserIdentity(1, False, b"marie"))
    ours = AssociateRequest("THERE", "HERE", (ProposedContext(1, "1.2.840.10008.1.1", ("1.2.840.10008.1.2",)),), user)
    theirs = their_pdu.A_ASSOCIATE_RQ()
    theirs.decode(pdu.encode(ours))
    primitive = theirs.to_primitive()
    assert [str(c.abstract_syntax) for c in primitive.presentation_context_definition_list] == ["1.2.840.10008.1.1"]
    assert primitive.maximum_length_received == 131072


def test_padding_that_peers_add_is_taken_off() -> None:
    request = AssociateRequest("A", "B", (ProposedContext(1, "1.2.840.10008.1.1\0", ("1.2.840.10008.1.2 ",)),), UserInformation())
    assert decoded(pdu.encode(request)).contexts == (ProposedContext(1, "1.2.840.10008.1.1", ("1.2.840.10008.1.2",)),)  # type: ignore[union-attr]


def test_unknown_items_are_skipped() -> None:
    request = AssociateRequest("A", "B", (ProposedContext(1, "1.2", ("1.3",)),), UserInformation(16384, "1.2"))
    body = pdu.encode(request)[6:] + struct.pack(">BxH", 0x77, 5) + b"other"
    assert pdu.decode(pdu.ASSOCIATE_RQ, body) == request


@pytest.mark.parametrize("kind", [0x01, 0x02, 0x04, 0x05, 0x06, 0x07, 0x03])
def test_a_pdu_of_four_gigabytes_is_refused_from_its_head(kind: int) -> None:
    with pytest.raises(PduError) as refused:
        pdu.read_head(bytes((kind, 0)) + b"\xff\xff\xff\xff", 131_072)
    assert refused.value.abort_reason == 6


@pytest.mark.parametrize("kind", [0x00, 0x08, 0x16, 0x47, 0xFF])  # 0x16 opens TLS, 0x47 is the G of GET
def test_an_unknown_pdu_type_is_refused(kind: int) -> None:
    with pytest.raises(PduError) as refused:
        pdu.read_head(bytes((kind, 0, 0, 0, 0, 4)), 131_072)
    assert refused.value.abort_reason == 1


@pytest.mark.parametrize("ids", [(1, 1), (2,), (0,)])
def test_context_ids_must_be_odd_and_different(ids: tuple[int, ...]) -> None:
    request = AssociateRequest("A", "B", tuple(ProposedContext(i, "1.2", ("1.3",)) for i in ids), UserInformation())
    with pytest.raises(PduError):
        decoded(pdu.encode(request))


@pytest.mark.parametrize(
    "body",
    [b"", b"\0\0\0", b"\0\0\0\1\1", b"\0\0\0\1\1\3", struct.pack(">LBB", 2**32 - 1, 1, 3) + b"x", struct.pack(">LBB", 40, 1, 3) + b"x" * 9],
)
def test_data_values_whose_lengths_do_not_add_up_are_refused(body: bytes) -> None:
    with pytest.raises(PduError):
        list(pdu.values(memoryview(body)))


@EXAMPLES
@given(pdus, st.data())
def test_a_damaged_pdu_is_read_or_refused_and_nothing_else(value: pdu.Pdu, data: st.DataObject) -> None:
    damaged = bytearray(pdu.encode(value))
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    _survives(bytes(damaged[: data.draw(st.integers(6, len(damaged)))]))


@EXAMPLES
@given(st.integers(1, 7), st.binary(max_size=400))
def test_random_bodies_are_read_or_refused_and_nothing_else(kind: int, body: bytes) -> None:
    _survives(struct.pack(">BxL", kind, len(body)) + body)


def _survives(data: bytes) -> None:
    try:
        kind, _ = pdu.read_head(data[:6], 131_072)
        if kind == pdu.P_DATA:
            assert sum(len(v.data) + 6 for v in pdu.values(memoryview(data)[6:])) == len(data) - 6
        else:
            pdu.decode(kind, data[6:])
    except PduError:
        pass


@pytest.mark.fuzz
@pytest.mark.timeout(FUZZ_SECONDS + 120)
def test_long_fuzz() -> None:
    until = time.monotonic() + FUZZ_SECONDS

    @settings(max_examples=2000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(pdus, st.binary(min_size=1, max_size=40), st.randoms(use_true_random=True))
    def damage(value: pdu.Pdu, noise: bytes, random) -> None:  # type: ignore[no-untyped-def]
        data = bytearray(pdu.encode(value))
        at = random.randrange(len(data))
        data[at : at + random.randrange(40)] = noise
        _survives(bytes(data).ljust(6, b"\0"))

    while time.monotonic() < until:
        damage()
