"""The seven PDUs of the DICOM upper layer as values, and their bytes (PS3.8 9.3).

Pure: no socket, no clock. ``read_head`` judges the six bytes in front of a PDU before anything of it is read or allocated;
``decode`` takes exactly the declared body. Whatever breaks a rule raises ``PduError`` with the A-ABORT reason that answers it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from archipel.dicom import pdu_items as items
from archipel.dicom.pdu_items import (
    APPLICATION_CONTEXT,
    AnsweredContext,
    ExtendedNegotiation,
    PduError,
    ProposedContext,
    RoleSelection,
    UserIdentity,
    UserInformation,
)

__all__ = [
    "APPLICATION_CONTEXT",
    "Abort",
    "AnsweredContext",
    "AssociateAccept",
    "AssociateReject",
    "AssociateRequest",
    "ExtendedNegotiation",
    "PduError",
    "ProposedContext",
    "ReleaseAnswer",
    "ReleaseRequest",
    "RoleSelection",
    "UserIdentity",
    "UserInformation",
    "decode",
    "encode",
    "read_head",
    "values",
]

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
NAMES = {
    ASSOCIATE_RQ: "A-ASSOCIATE-RQ",
    ASSOCIATE_AC: "A-ASSOCIATE-AC",
    ASSOCIATE_RJ: "A-ASSOCIATE-RJ",
    P_DATA: "P-DATA-TF",
    RELEASE_RQ: "A-RELEASE-RQ",
    RELEASE_RP: "A-RELEASE-RP",
    ABORT: "A-ABORT",
}

HEAD_BYTES = 6
PDV_HEAD_BYTES = 6  # 4 of item length, 1 of context id, 1 of message control header
ASSOCIATE_BYTES_MAX = 1 << 19  # 128 contexts with every transfer syntax there is stay under 400 kB
SHORT_BYTES_MAX = 64  # A-ASSOCIATE-RJ, A-RELEASE and A-ABORT carry 4 bytes

_HEAD = struct.Struct(">BxL")
_PDV_HEAD = struct.Struct(">LBB")
_ASSOCIATE_HEAD = struct.Struct(">Hxx16s16s32x")

_COMMAND, _LAST = 0x01, 0x02


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    """A-ASSOCIATE-RQ (PS3.8 9.3.2)."""

    called_ae: str
    calling_ae: str
    contexts: tuple[ProposedContext, ...]
    user: UserInformation
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = 1


@dataclass(frozen=True, slots=True)
class AssociateAccept:
    """A-ASSOCIATE-AC (PS3.8 9.3.3); the AE titles are those of the request, sent back unread."""

    called_ae: str
    calling_ae: str
    contexts: tuple[AnsweredContext, ...]
    user: UserInformation
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = 1


@dataclass(frozen=True, slots=True)
class AssociateReject:
    """A-ASSOCIATE-RJ (PS3.8 9.3.4): ``result`` 1 permanent, 2 transient; ``source`` and ``reason`` as in Table 9-21."""

    result: int
    source: int
    reason: int


@dataclass(frozen=True, slots=True)
class ReleaseRequest:
    """A-RELEASE-RQ (PS3.8 9.3.6)."""


@dataclass(frozen=True, slots=True)
class ReleaseAnswer:
    """A-RELEASE-RP (PS3.8 9.3.7)."""


@dataclass(frozen=True, slots=True)
class Abort:
    """A-ABORT (PS3.8 9.3.8): ``source`` 0 service user, 2 service provider; ``reason`` counts for 2 only."""

    source: int
    reason: int = 0


class Value(NamedTuple):
    """One presentation data value (PS3.8 9.3.5.1); ``data`` is a view on the PDU that it came in."""

    context_id: int
    is_command: bool
    is_last: bool
    data: memoryview


Pdu = AssociateRequest | AssociateAccept | AssociateReject | ReleaseRequest | ReleaseAnswer | Abort


def read_head(head: bytes | memoryview, data_bytes_max: int) -> tuple[int, int]:
    """Type and body length of the PDU that starts with these six bytes.

    ``data_bytes_max`` bounds a P-DATA-TF body; the other types have bounds of their own.
    Raises ``PduError`` for an unknown type or a length over the bound, before anything is allocated.
    """
    kind, length = _HEAD.unpack_from(head)
    if kind not in NAMES:
        raise PduError(f"PDU type {kind:02X}H is not one of DICOM's seven", abort_reason=items.UNRECOGNIZED_PDU)
    limit = data_bytes_max if kind == P_DATA else ASSOCIATE_BYTES_MAX if kind <= ASSOCIATE_AC else SHORT_BYTES_MAX
    if length > limit:
        raise PduError(f"{NAMES[kind]} declares {length} bytes; the limit is {limit}", abort_reason=items.INVALID_VALUE)
    return kind, length


def values(body: memoryview) -> Iterator[Value]:
    """The presentation data values of a P-DATA-TF body, in order; raises ``PduError`` when lengths do not add up."""
    position, end = 0, len(body)
    if not end:
        raise PduError("P-DATA-TF without a presentation data value", abort_reason=items.INVALID_VALUE)
    while position < end:
        if end - position < PDV_HEAD_BYTES:
            raise PduError("P-DATA-TF ends inside the head of a data value", abort_reason=items.INVALID_VALUE)
        length, context_id, control = _PDV_HEAD.unpack_from(body, position)
        stop = position + 4 + length
        if length < 2 or stop > end:
            raise PduError(f"data value declares {length} bytes, {end - position - 4} are there", abort_reason=items.INVALID_VALUE)
        yield Value(context_id, bool(control & _COMMAND), bool(control & _LAST), body[position + PDV_HEAD_BYTES : stop])
        position = stop


def data_head(context_id: int, is_command: bool, is_last: bool, data_bytes: int) -> bytes:
    """The twelve bytes in front of the data of a P-DATA-TF that holds one value."""
    control = (_COMMAND if is_command else 0) | (_LAST if is_last else 0)
    return _HEAD.pack(P_DATA, data_bytes + PDV_HEAD_BYTES) + _PDV_HEAD.pack(data_bytes + 2, context_id, control)


def encode(pdu: Pdu) -> bytes:
    """The bytes of a PDU, head included."""
    match pdu:
        case AssociateRequest():
            return _framed(ASSOCIATE_RQ, _associate_body(pdu, b"".join(map(items.encode_proposed, pdu.contexts))))
        case AssociateAccept():
            return _framed(ASSOCIATE_AC, _associate_body(pdu, b"".join(map(items.encode_answered, pdu.contexts))))
        case AssociateReject(result, source, reason):
            return _framed(ASSOCIATE_RJ, bytes((0, result, source, reason)))
        case ReleaseRequest():
            return _framed(RELEASE_RQ, bytes(4))
        case ReleaseAnswer():
            return _framed(RELEASE_RP, bytes(4))
        case Abort(source, reason):
            return _framed(ABORT, bytes((0, 0, source, reason)))


def decode(kind: int, body: bytes | memoryview) -> Pdu:
    """The PDU of that type from its whole body; P-DATA-TF is read with ``values`` instead."""
    body = bytes(body)
    if kind == ASSOCIATE_RQ:
        return _decode_request(body)
    if kind == ASSOCIATE_AC:
        return _decode_accept(body)
    if kind in (RELEASE_RQ, RELEASE_RP):
        return ReleaseRequest() if kind == RELEASE_RQ else ReleaseAnswer()  # the four reserved bytes are not tested, PS3.8 9.3.6
    if kind not in (ASSOCIATE_RJ, ABORT):
        raise PduError(f"PDU type {kind:02X}H is not decoded here", abort_reason=items.UNRECOGNIZED_PDU)
    if len(body) < 4:
        raise PduError(f"{NAMES[kind]} has {len(body)} bytes instead of 4", abort_reason=items.INVALID_VALUE)
    return AssociateReject(body[1], body[2], body[3]) if kind == ASSOCIATE_RJ else Abort(body[2], body[3])


def _framed(kind: int, body: bytes) -> bytes:
    return _HEAD.pack(kind, len(body)) + body


def _associate_body(pdu: AssociateRequest | AssociateAccept, contexts: bytes) -> bytes:
    head = _ASSOCIATE_HEAD.pack(pdu.protocol_version, items.encode_ae(pdu.called_ae), items.encode_ae(pdu.calling_ae))
    return head + items.item(items.APPLICATION_CONTEXT_ITEM, pdu.application_context.encode()) + contexts + items.encode_user(pdu.user)


def _associate_head(body: bytes, name: str) -> tuple[int, str, str]:
    if len(body) < _ASSOCIATE_HEAD.size:
        raise PduError(f"{name} has {len(body)} bytes, fewer than its fixed part", abort_reason=items.INVALID_VALUE)
    version, called, calling = _ASSOCIATE_HEAD.unpack_from(body)
    return version, items.decode_text(called), items.decode_text(calling)


def _decode_request(body: bytes) -> AssociateRequest:
    version, called, calling = _associate_head(body, "A-ASSOCIATE-RQ")
    contexts: list[ProposedContext] = []
    application, user = "", None
    for kind, value in items.split(body[_ASSOCIATE_HEAD.size :]):
        if kind == items.APPLICATION_CONTEXT_ITEM:
            application = items.decode_text(value)
        elif kind == items.PROPOSED_CONTEXT_ITEM:
            contexts.append(items.decode_proposed(value))
        elif kind == items.USER_ITEM:
            user = items.decode_user(value)
    _check_ids([c.id for c in contexts])
    if not contexts:
        raise PduError("A-ASSOCIATE-RQ proposes no presentation context", abort_reason=items.INVALID_VALUE)
    return AssociateRequest(called, calling, tuple(contexts), user or UserInformation(), application, version)


def _decode_accept(body: bytes) -> AssociateAccept:
    version, called, calling = _associate_head(body, "A-ASSOCIATE-AC")
    contexts: list[AnsweredContext] = []
    application, user = "", None
    for kind, value in items.split(body[_ASSOCIATE_HEAD.size :]):
        if kind == items.APPLICATION_CONTEXT_ITEM:
            application = items.decode_text(value)
        elif kind == items.ANSWERED_CONTEXT_ITEM:
            contexts.append(items.decode_answered(value))
        elif kind == items.USER_ITEM:
            user = items.decode_user(value)
    _check_ids([c.id for c in contexts])
    return AssociateAccept(called, calling, tuple(contexts), user or UserInformation(), application, version)


def _check_ids(ids: list[int]) -> None:
    if len(set(ids)) != len(ids) or any(i % 2 == 0 for i in ids):
        raise PduError("presentation context ids must be odd and different (PS3.8 9.3.2.2)", abort_reason=items.INVALID_VALUE)
