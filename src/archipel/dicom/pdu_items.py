"""Items and sub-items of the A-ASSOCIATE PDUs (PS3.8 9.3.2, 9.3.3 and Annex D; PS3.7 Annex D.3.3)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from archipel.kit.errors import Invalid

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"

# Reasons of an A-ABORT by the service provider, PS3.8 Table 9-26.
NOT_SPECIFIED, UNRECOGNIZED_PDU, UNEXPECTED_PDU, UNRECOGNIZED_PARAMETER, UNEXPECTED_PARAMETER, INVALID_VALUE = 0, 1, 2, 4, 5, 6

APPLICATION_CONTEXT_ITEM, PROPOSED_CONTEXT_ITEM, ANSWERED_CONTEXT_ITEM, USER_ITEM = 0x10, 0x20, 0x21, 0x50
_ABSTRACT_SYNTAX, _TRANSFER_SYNTAX = 0x30, 0x40
_LENGTH_MAX, _IMPLEMENTATION_UID, _ASYNC, _ROLE, _VERSION, _EXTENDED, _IDENTITY, _IDENTITY_ANSWER = (
    0x51,
    0x52,
    0x53,
    0x54,
    0x55,
    0x56,
    0x58,
    0x59,
)
_ITEM_HEAD = struct.Struct(">BxH")
_LENGTH = struct.Struct(">H")


class PduError(Invalid):
    """A PDU that breaks PS3.8; ``abort_reason`` is what an A-ABORT from the provider says about it."""

    def __init__(self, public: str, *, abort_reason: int, code: str = "bad-pdu") -> None:
        super().__init__(public, code=code)
        self.abort_reason = abort_reason


@dataclass(frozen=True, slots=True)
class ProposedContext:
    """A presentation context as the requestor offers it; ``id`` is odd, 1 to 255."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnsweredContext:
    """The acceptor's answer: ``result`` 0 accepted, 1 by the user, 2 no reason, 3 abstract syntax, 4 transfer syntaxes."""

    id: int
    result: int
    transfer_syntax: str = ""


@dataclass(frozen=True, slots=True)
class RoleSelection:
    """SCP/SCU role selection for one SOP class, said of the requestor (PS3.7 D.3.3.4)."""

    sop_class_uid: str
    scu: bool
    scp: bool


@dataclass(frozen=True, slots=True)
class ExtendedNegotiation:
    """SOP class extended negotiation; the bytes mean what the service class says (PS3.4 C.5.1.1 for query)."""

    sop_class_uid: str
    information: bytes


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """User identity of a request (PS3.7 D.3.3.7): kind 1 name, 2 name and passcode, 3 Kerberos, 4 SAML, 5 JWT."""

    kind: int
    wants_answer: bool
    primary: bytes
    secondary: bytes = b""


@dataclass(frozen=True, slots=True)
class UserInformation:
    """The user item; ``length_max_bytes`` 0 means that the sender accepts P-DATA-TF of any length."""

    length_max_bytes: int = 0
    implementation_class_uid: str = ""
    implementation_version: str = ""
    operations: tuple[int, int] | None = None  # (invoked, performed), asynchronous operations window
    roles: tuple[RoleSelection, ...] = ()
    extended: tuple[ExtendedNegotiation, ...] = ()
    identity: UserIdentity | None = None
    identity_answer: bytes | None = None


def decode_text(value: bytes) -> str:
    """An AE title, UID or version name without the padding that peers add (spaces, NULs); control characters become ``?``."""
    text = value.decode("latin-1").strip(" \0")
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def encode_ae(title: str) -> bytes:
    """An AE title in its 16 bytes; raises ``Invalid`` when it does not fit."""
    encoded = title.encode("latin-1", "replace")
    if len(encoded) > 16:
        raise Invalid(f"AE title {title!r} has more than 16 characters", code="ae-title")
    return encoded.ljust(16)


def item(kind: int, value: bytes) -> bytes:
    """An item or sub-item with its head."""
    if len(value) > 0xFFFF:
        raise Invalid(f"item {kind:02X}H of {len(value)} bytes does not fit in its 16-bit length", code="item-length")
    return _ITEM_HEAD.pack(kind, len(value)) + value


def split(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and value of each item in a row; raises ``PduError`` when a length goes past the end."""
    position = 0
    while position < len(data):
        if len(data) - position < _ITEM_HEAD.size:
            raise PduError("item ends inside its head", abort_reason=INVALID_VALUE)
        kind, length = _ITEM_HEAD.unpack_from(data, position)
        start = position + _ITEM_HEAD.size
        position = start + length
        if position > len(data):
            raise PduError(f"item {kind:02X}H declares {length} bytes, {len(data) - start} are there", abort_reason=INVALID_VALUE)
        yield kind, data[start:position]


def encode_proposed(context: ProposedContext) -> bytes:
    """Presentation context item of a request (PS3.8 9.3.2.2)."""
    syntaxes = b"".join(item(_TRANSFER_SYNTAX, uid.encode("latin-1")) for uid in context.transfer_syntaxes)
    head = bytes((context.id, 0, 0, 0))
    return item(PROPOSED_CONTEXT_ITEM, head + item(_ABSTRACT_SYNTAX, context.abstract_syntax.encode("latin-1")) + syntaxes)


def encode_answered(context: AnsweredContext) -> bytes:
    """Presentation context item of an acceptance (PS3.8 9.3.3.2)."""
    head = bytes((context.id, 0, context.result, 0))
    return item(ANSWERED_CONTEXT_ITEM, head + item(_TRANSFER_SYNTAX, context.transfer_syntax.encode("latin-1")))


def decode_proposed(value: bytes) -> ProposedContext:
    """The context of a request from its item value."""
    abstract, syntaxes = "", []
    for kind, sub in split(_after_head(value)):
        if kind == _ABSTRACT_SYNTAX:
            abstract = decode_text(sub)
        elif kind == _TRANSFER_SYNTAX:
            syntaxes.append(decode_text(sub))
    return ProposedContext(value[0], abstract, tuple(syntaxes))


def decode_answered(value: bytes) -> AnsweredContext:
    """The context of an acceptance from its item value; the transfer syntax counts only when it was accepted."""
    syntax = ""
    for kind, sub in split(_after_head(value)):
        if kind == _TRANSFER_SYNTAX:
            syntax = decode_text(sub)
    return AnsweredContext(value[0], value[2], syntax)


def _after_head(value: bytes) -> bytes:
    if len(value) < 4:
        raise PduError("presentation context item is shorter than its fixed part", abort_reason=INVALID_VALUE)
    return value[4:]


def encode_user(user: UserInformation) -> bytes:
    """User information item, sub-items in the order of their types."""
    parts = [item(_LENGTH_MAX, struct.pack(">L", user.length_max_bytes))]
    if user.implementation_class_uid:
        parts.append(item(_IMPLEMENTATION_UID, user.implementation_class_uid.encode("latin-1")))
    if user.operations:
        parts.append(item(_ASYNC, struct.pack(">HH", *user.operations)))
    parts += [item(_ROLE, _with_length(r.sop_class_uid.encode("latin-1")) + bytes((r.scu, r.scp))) for r in user.roles]
    if user.implementation_version:
        parts.append(item(_VERSION, user.implementation_version.encode("latin-1", "replace")[:16]))
    parts += [item(_EXTENDED, _with_length(e.sop_class_uid.encode("latin-1")) + e.information) for e in user.extended]
    if user.identity:
        who = user.identity
        parts.append(item(_IDENTITY, bytes((who.kind, who.wants_answer)) + _with_length(who.primary) + _with_length(who.secondary)))
    if user.identity_answer is not None:
        parts.append(item(_IDENTITY_ANSWER, _with_length(user.identity_answer)))
    return item(USER_ITEM, b"".join(parts))


def decode_user(value: bytes) -> UserInformation:
    """User information from its item value; sub-items that we do not know are skipped (PS3.8 9.3.1)."""
    fields: dict[str, object] = {}
    roles: list[RoleSelection] = []
    extended: list[ExtendedNegotiation] = []
    for kind, sub in split(value):
        if kind == _LENGTH_MAX:
            fields["length_max_bytes"] = _unpack(">L", sub)[0]
        elif kind == _IMPLEMENTATION_UID:
            fields["implementation_class_uid"] = decode_text(sub)
        elif kind == _VERSION:
            fields["implementation_version"] = decode_text(sub)
        elif kind == _ASYNC:
            fields["operations"] = _unpack(">HH", sub)
        elif kind == _ROLE:
            uid, rest = _take(sub)
            roles.append(RoleSelection(decode_text(uid), *(bool(flag) for flag in _unpack(">BB", rest))))
        elif kind == _EXTENDED:
            uid, rest = _take(sub)
            extended.append(ExtendedNegotiation(decode_text(uid), rest))
        elif kind == _IDENTITY:
            fields["identity"] = _decode_identity(sub)
        elif kind == _IDENTITY_ANSWER:
            fields["identity_answer"] = _take(sub)[0]
    return UserInformation(roles=tuple(roles), extended=tuple(extended), **fields)  # type: ignore[arg-type]


def _decode_identity(value: bytes) -> UserIdentity:
    if len(value) < 2:
        raise PduError("user identity item is shorter than its fixed part", abort_reason=INVALID_VALUE)
    primary, rest = _take(value[2:])
    # A secondary field that is left out altogether is seen in the field when the kind has none.
    secondary = _take(rest)[0] if rest else b""
    return UserIdentity(value[0], bool(value[1]), primary, secondary)


def _with_length(value: bytes) -> bytes:
    return _LENGTH.pack(len(value)) + value


def _take(value: bytes) -> tuple[bytes, bytes]:
    length = _unpack(">H", value)[0]
    if 2 + length > len(value):
        raise PduError(f"sub-item field declares {length} bytes, {len(value) - 2} are there", abort_reason=INVALID_VALUE)
    return value[2 : 2 + length], value[2 + length :]


def _unpack(layout: str, value: bytes) -> tuple[int, ...]:
    if len(value) < struct.calcsize(layout):
        raise PduError("sub-item is shorter than its fixed part", abort_reason=INVALID_VALUE)
    return struct.unpack_from(layout, value)
