"""Negotiation as a pure function: classes, syntaxes, roles, extended negotiation."""

from __future__ import annotations

import pytest
from pydicom._uid_dict import UID_dictionary
from pydicom.uid import AllTransferSyntaxes
from pynetdicom import AllStoragePresentationContexts

from archipel.dicom import pdu, sop_classes
from archipel.dicom.pdu import AssociateRequest, ExtendedNegotiation, ProposedContext, RoleSelection, UserInformation
from archipel.dimse.negotiation import Query, negotiate
from archipel.dimse.settings import DimseSettings
from archipel.kit.errors import Invalid
from archipel.kit.settings import DicomSettings
from tests.dimse.peers import CT, EXPLICIT, IMPLICIT

SETTINGS = DimseSettings()


def request(*contexts: tuple[str, tuple[str, ...]], **user: object) -> AssociateRequest:
    proposed = tuple(ProposedContext(2 * n + 1, abstract, syntaxes) for n, (abstract, syntaxes) in enumerate(contexts))
    return AssociateRequest("ARCHIPEL", "MODALITY", proposed, UserInformation(16384, "1.2", **user))  # type: ignore[arg-type]


def results(abstract: str, *syntaxes: str, settings: DimseSettings = SETTINGS) -> tuple[int, str]:
    (answer,) = negotiate(request((abstract, syntaxes)), settings).accept.contexts
    return answer.result, answer.transfer_syntax


def test_every_storage_class_that_pynetdicom_knows_is_accepted() -> None:
    for context in AllStoragePresentationContexts:
        assert results(str(context.abstract_syntax), EXPLICIT) == (0, EXPLICIT), context.abstract_syntax.name


def test_every_transfer_syntax_of_pydicom_that_can_hold_an_instance_is_accepted() -> None:
    refused = {uid.name for uid in AllTransferSyntaxes if results(CT, str(uid))[0]}
    assert refused == {
        "JPIP HTJ2K Referenced", "JPIP HTJ2K Referenced Deflate",
        "SMPTE ST 2110-20 Uncompressed Progressive Active Video", "SMPTE ST 2110-20 Uncompressed Interlaced Active Video",
        "SMPTE ST 2110-30 PCM Digital Audio",
    }  # fmt: skip


def test_services_that_are_no_storage_are_refused() -> None:
    for uid, (name, kind, *_) in UID_dictionary.items():
        if (
            kind == "SOP Class"
            and any(word in name for word in ("Worklist", "Print", "Performed Procedure Step", "Directory"))
            and "Stor" not in name
        ):
            assert results(uid, IMPLICIT)[0] == 3, name


@pytest.mark.parametrize("uid", ["1.2.840.10008.5.1.4.1.1.999.1", "1.2.840.10008.5.1.4.1.1.88.99"])
def test_a_storage_class_younger_than_our_dictionary_is_accepted(uid: str) -> None:
    assert results(uid, EXPLICIT)[0] == 0


def test_private_classes_by_setting() -> None:
    assert results("1.2.3.4", EXPLICIT)[0] == 3
    assert results("1.2.3.4", EXPLICIT, settings=DimseSettings(private_sop_classes=frozenset({"1.2.3.4"})))[0] == 0
    assert results("1.2.3.5", EXPLICIT, settings=DimseSettings(accept_unknown_sop_classes=True))[0] == 0
    assert results("1.2.840.10008.5.1.4.31", EXPLICIT, settings=DimseSettings(accept_unknown_sop_classes=True))[0] == 3
    table = DicomSettings(ae_title="NORTH", private_sop_classes=("1.2.3.4",), associations_max=7)
    made = DimseSettings.of(table)
    assert (made.ae_titles, made.private_sop_classes, made.associations_max) == (("NORTH",), frozenset({"1.2.3.4"}), 7)


def test_storage_keeps_the_order_of_the_proposer_and_queries_prefer_explicit() -> None:
    assert results(CT, "1.2.840.10008.1.2.4.201", EXPLICIT) == (0, "1.2.840.10008.1.2.4.201")
    assert results(CT, "1.2.3", IMPLICIT, EXPLICIT) == (0, IMPLICIT)
    assert results(sop_classes.STUDY_FIND, IMPLICIT, EXPLICIT) == (0, EXPLICIT)
    assert results(sop_classes.STUDY_FIND, "1.2.840.10008.1.2.4.50")[0] == 4
    assert results(CT)[0] == 4


def test_roles_are_given_for_storage_and_not_for_services() -> None:
    roles = (RoleSelection(CT, False, True), RoleSelection(sop_classes.STUDY_FIND, True, True), RoleSelection("1.2.3", True, True))
    made = negotiate(request((CT, (EXPLICIT,)), (sop_classes.STUDY_FIND, (EXPLICIT,)), roles=roles), SETTINGS)
    assert made.accept.user.roles == (RoleSelection(CT, False, True), RoleSelection(sop_classes.STUDY_FIND, True, False))
    storage = made.contexts[1]
    assert (storage.requestor_is_scu, storage.requestor_is_scp) == (False, True)
    default = negotiate(request((CT, (EXPLICIT,))), SETTINGS).contexts[1]
    assert (default.requestor_is_scu, default.requestor_is_scp) == (True, False)


def test_extended_negotiation_answers_what_is_offered_in_as_many_bytes() -> None:
    asked = (
        ExtendedNegotiation(sop_classes.STUDY_FIND, b"\1\1\1\1\1"),
        ExtendedNegotiation(sop_classes.STUDY_MOVE, b"\1"),
        ExtendedNegotiation("1.2.3", b"\1"),
    )
    contexts = [(uid, (EXPLICIT,)) for uid in (sop_classes.STUDY_FIND, sop_classes.STUDY_MOVE)]
    made = negotiate(request(*contexts, extended=asked), SETTINGS)
    assert [e.information for e in made.accept.user.extended] == [b"\1\0\1\0\0", b"\1"]
    assert made.queries[sop_classes.STUDY_FIND] == Query(relational=True, fuzzy=True)
    assert made.accept.user.operations is None
    assert negotiate(request(*contexts, operations=(0, 0)), SETTINGS).accept.user.operations == (1, 1)


def test_identity_is_read_and_gets_no_answer() -> None:
    identity = pdu.UserIdentity(2, True, b"marie", b"secret")
    assert negotiate(request((CT, (EXPLICIT,)), identity=identity), SETTINGS).accept.user.identity_answer is None


@pytest.mark.parametrize("bad", [{"associations_max": 0}, {"pdu_bytes_max": 100}, {"ae_titles": ()}, {"stall_s": -1}])
def test_settings_have_bounds(bad: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        DimseSettings(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("uid", "role", "accepted"),
    [("1.2.3.4.5", (True, True), True), ("1.2.3.4.5", (False, True), True), ("1.2.3.4.5", (True, False), False),
     ("1.2.840.10008.5.1.1.9", (False, True), False), ("1.2.840.10008.5.1.4.31", (True, True), False), ("1..2", (False, True), False)],
)  # fmt: skip
def test_a_class_that_we_do_not_take_is_given_to_an_asker_that_is_its_scp(uid: str, role: tuple[bool, bool], accepted: bool) -> None:
    """PS3.7 D.3.3.4: the acceptor turns down the role of SCU and takes that of SCP; standard services stay what they are."""
    asked = request((uid, (EXPLICIT,)), roles=(RoleSelection(uid, *role),))
    found = negotiate(asked, SETTINGS)
    assert (found.accept.contexts[0].result == 0) is accepted
    assert [(r.scu, r.scp) for r in found.accept.user.roles] == ([(False, True)] if accepted else [])
    assert [(c.requestor_is_scu, c.requestor_is_scp) for c in found.contexts.values()] == ([(False, True)] if accepted else [])
