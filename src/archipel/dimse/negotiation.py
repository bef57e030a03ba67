"""What we accept of a proposed association (PS3.8 7.1, PS3.7 D.3): pure, from the request and the settings to the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archipel.dicom import pdu, sop_classes, uids
from archipel.dimse.settings import DimseSettings

ACCEPTED, NO_ABSTRACT_SYNTAX, NO_TRANSFER_SYNTAX = 0, 3, 4

# (result, source, reason) of PS3.8 Table 9-21 and what it means, for the log.
NO_APPLICATION_CONTEXT = pdu.AssociateReject(1, 1, 2)
CALLING_UNKNOWN = pdu.AssociateReject(1, 1, 3)
CALLED_UNKNOWN = pdu.AssociateReject(1, 1, 7)
PROTOCOL_VERSION = pdu.AssociateReject(1, 2, 2)
CONGESTED = pdu.AssociateReject(2, 3, 1)
LOCAL_LIMIT = pdu.AssociateReject(2, 3, 2)
REASONS = {
    NO_APPLICATION_CONTEXT: "application context not supported",
    CALLING_UNKNOWN: "calling AE title not recognised",
    CALLED_UNKNOWN: "called AE title not recognised",
    PROTOCOL_VERSION: "protocol version not supported",
    CONGESTED: "temporary congestion",
    LOCAL_LIMIT: "local limit exceeded",
}

# Identifiers are short: explicit VR says most about them, so it is preferred to the proposer's order.
_DATASET_SYNTAXES = (sop_classes.EXPLICIT_LITTLE, sop_classes.IMPLICIT_LITTLE, sop_classes.DEFLATED_LITTLE, sop_classes.EXPLICIT_BIG)
_SERVICES = (
    frozenset({sop_classes.VERIFICATION, sop_classes.STORAGE_COMMITMENT_PUSH}) | sop_classes.FIND | sop_classes.MOVE | sop_classes.GET
)
_YOUNG_SYNTAXES = frozenset({uids.DEFLATED_FRAMES, uids.JPEG_XL, uids.JPEG_XL_JPEG, uids.JPEG_XL_LOSSLESS})
STORAGE_SYNTAXES = sop_classes.STORAGE_SYNTAXES | _YOUNG_SYNTAXES


@dataclass(frozen=True, slots=True)
class Context:
    """An accepted presentation context; the roles are the requestor's."""

    id: int
    abstract_syntax: str
    transfer_syntax: str
    is_storage: bool
    requestor_is_scu: bool = True
    requestor_is_scp: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """What was agreed on queries for one information model (PS3.4 C.5.1.1): only what both sides want."""

    relational: bool = False
    fuzzy: bool = False


@dataclass(frozen=True, slots=True)
class Negotiated:
    """The answer, and what it means for the association."""

    accept: pdu.AssociateAccept
    contexts: dict[int, Context]
    queries: dict[str, Query]


def refusal(request: pdu.AssociateRequest, settings: DimseSettings) -> pdu.AssociateReject | None:
    """Why a request is refused from its own content alone, or None."""
    if not request.protocol_version & 1:
        return PROTOCOL_VERSION
    if request.application_context != pdu.APPLICATION_CONTEXT:
        return NO_APPLICATION_CONTEXT
    return None if request.called_ae in settings.ae_titles else CALLED_UNKNOWN


def negotiate(request: pdu.AssociateRequest, settings: DimseSettings) -> Negotiated:
    """Choose a transfer syntax for every context that we serve, and answer roles and extended negotiation."""
    roles = {role.sop_class_uid: role for role in request.user.roles}
    answers: list[pdu.AnsweredContext] = []
    contexts: dict[int, Context] = {}
    for proposed in request.contexts:
        uid = proposed.abstract_syntax
        given = is_storage(uid, settings) or may_be_given(uid, roles)
        answer = _answer(proposed, given)
        answers.append(answer)
        if answer.result == ACCEPTED:
            contexts[proposed.id] = _context(answer, uid, given, roles, settings)
    accepted = {context.abstract_syntax for context in contexts.values()}
    extended = tuple(_answer_extended(asked) for asked in request.user.extended if asked.sop_class_uid in accepted & _QUERY_RETRIEVE)
    user = pdu.UserInformation(
        settings.pdu_bytes_max,
        uids.IMPLEMENTATION_CLASS_UID,
        uids.IMPLEMENTATION_VERSION_NAME,
        operations=(1, 1) if request.user.operations else None,
        roles=tuple(_answer_role(role, settings) for role in request.user.roles if role.sop_class_uid in accepted),
        extended=extended,
    )
    accept = pdu.AssociateAccept(request.called_ae, request.calling_ae, tuple(answers), user)
    return Negotiated(accept, contexts, {answer.sop_class_uid: _query(answer.information) for answer in extended})


def is_storage(abstract_syntax: str, settings: DimseSettings) -> bool:
    """Whether we store instances of this class."""
    if sop_classes.is_standard_storage(abstract_syntax):
        return True
    if abstract_syntax in sop_classes.PRIVATE_STORAGE or abstract_syntax in settings.private_sop_classes:
        return True
    # Standard classes that are no storage (worklist, print...) stay refused even by the permissive setting.
    standard = abstract_syntax.startswith("1.2.840.10008.")
    return settings.accept_unknown_sop_classes and not standard and uids.is_uid(abstract_syntax)


def may_be_given(abstract_syntax: str, roles: Mapping[str, pdu.RoleSelection]) -> bool:
    """Whether a class that we take from nobody is served to an asker that wants to be its SCP (C-GET).

    Imports and STOW bring in instances of any class: who names one to get it has it; what is stored decides the rest.
    """
    role = roles.get(abstract_syntax)
    return role is not None and role.scp and not abstract_syntax.startswith("1.2.840.10008.") and uids.is_uid(abstract_syntax)


_QUERY_RETRIEVE = sop_classes.FIND | sop_classes.MOVE | sop_classes.GET


def _answer(proposed: pdu.ProposedContext, storage: bool) -> pdu.AnsweredContext:
    if not storage and proposed.abstract_syntax not in _SERVICES:
        # The transfer syntax of a refusal is not significant; some peers insist on seeing one (PS3.8 9.3.3.2).
        return pdu.AnsweredContext(proposed.id, NO_ABSTRACT_SYNTAX, next(iter(proposed.transfer_syntaxes), sop_classes.IMPLICIT_LITTLE))
    chosen = _first(proposed.transfer_syntaxes, STORAGE_SYNTAXES) if storage else _preferred(proposed.transfer_syntaxes)
    if chosen is None:
        return pdu.AnsweredContext(proposed.id, NO_TRANSFER_SYNTAX, sop_classes.IMPLICIT_LITTLE)
    return pdu.AnsweredContext(proposed.id, ACCEPTED, chosen)


def _first(offered: Sequence[str], known: frozenset[str]) -> str | None:
    """The proposer's order says what it would rather send; keeping that saves it from converting."""
    return next((uid for uid in offered if uid in known), None)


def _preferred(offered: Sequence[str]) -> str | None:
    return next((uid for uid in _DATASET_SYNTAXES if uid in offered), None)


def _context(
    answer: pdu.AnsweredContext, abstract_syntax: str, storage: bool, roles: Mapping[str, pdu.RoleSelection], settings: DimseSettings
) -> Context:
    role = roles.get(abstract_syntax)
    answered = _answer_role(role, settings) if storage and role else None
    scu, scp = (answered.scu, answered.scp) if answered else (True, False)
    return Context(answer.id, abstract_syntax, answer.transfer_syntax, storage, scu, scp)


def _answer_role(role: pdu.RoleSelection, settings: DimseSettings) -> pdu.RoleSelection:
    """Both roles for storage, which C-GET needs; SCP alone for what we only give; the default ones for everything else (PS3.7 D.3.3.4)."""
    if is_storage(role.sop_class_uid, settings):
        return role
    if may_be_given(role.sop_class_uid, {role.sop_class_uid: role}):
        return pdu.RoleSelection(role.sop_class_uid, False, True)
    return pdu.RoleSelection(role.sop_class_uid, role.scu, False)


def _answer_extended(asked: pdu.ExtendedNegotiation) -> pdu.ExtendedNegotiation:
    """Relational queries and retrieves, fuzzy matching of names, nothing else; as many bytes as were asked."""
    offered = (1, 0, 1) if asked.sop_class_uid in sop_classes.FIND else (1,)
    answer = bytes(
        1 if wanted == 1 and position < len(offered) and offered[position] else 0 for position, wanted in enumerate(asked.information)
    )
    return pdu.ExtendedNegotiation(asked.sop_class_uid, answer)


def _query(information: bytes) -> Query:
    flags = information.ljust(3, b"\0")
    return Query(flags[0] == 1, flags[2] == 1)
