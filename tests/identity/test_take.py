"""What senders say of a person: once, twice, late, from images; without an identity; with an INS that may be kept or not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archipel import audit, identity
from archipel.identity import Ins, LocalId, Status, Traits
from archipel.kit.errors import Conflict, Invalid, NotFound
from tests.identity.conftest import MARIE, MARIE_INS, NIR_TEST, NOBODY, Register


def test_the_same_message_twice_changes_nothing(register: Register) -> None:
    first = register.take("1", MARIE)
    again = register.take("1", MARIE)
    assert (first.is_new, first.is_changed, again.is_new, again.is_changed) == (True, True, False, False)
    assert again.record == first.record
    with register.database.read() as tx:
        assert len(audit.search(tx, action="identity.take")) == 1
    assert len(register.changes()) == 1


def test_what_comes_late_is_left(register: Register) -> None:
    register.take("1", replace(MARIE, birth_family="DUPONT"), minutes=10)
    late = register.take("1", MARIE, minutes=5)
    assert late.outdated and not late.is_changed
    assert late.record.traits.birth_family == "DUPONT"


def test_what_a_message_does_not_say_stays(register: Register) -> None:
    register.take("1", MARIE, status=Status.VALIDATED)
    now = register.take("1", Traits(used_family="MARTIN"), minutes=1, status=Status.UNSAID).record
    assert (now.traits, now.status) == (replace(MARIE, used_family="MARTIN"), Status.VALIDATED)


def test_a_proved_identity_is_proved_no_more_when_a_strict_trait_changes_without_a_word_about_it(register: Register) -> None:
    register.take("1", MARIE, ins=MARIE_INS)
    same = register.take("1", replace(MARIE, birth_family=MARIE.birth_family.lower()), minutes=1, status=Status.UNSAID).record
    assert (same.status, same.ins) == (Status.QUALIFIED, MARIE_INS)
    now = register.take("1", replace(MARIE, birth_family="AUTRE"), minutes=2, status=Status.UNSAID).record
    assert (now.status, now.ins, now.traits.birth_family) == (Status.PROVISIONAL, None, "AUTRE")


def test_messages_before_an_image_are_in_their_own_order(register: Register) -> None:
    register.take("1", Traits(used_family="DURAN"), source="dicom", minutes=50)
    register.take("1", MARIE, minutes=10)
    later = register.take("1", replace(MARIE, birth_family="DUPONT"), minutes=20)
    assert (later.outdated, later.record.traits.birth_family) == (False, "DUPONT")


def test_an_image_fills_a_record_and_overrules_no_message(register: Register) -> None:
    seen = Traits(used_family="DURAN", used_given="MARIE", birth_date="19800214", sex="F")
    assert register.take("1", seen, source="dicom", minutes=50).record.traits == seen
    said = register.take("1", MARIE, minutes=1)
    assert not said.outdated and said.record.traits == MARIE, "the message's word replaces the image's, whatever the time"
    image = register.take("1", seen, source="dicom", minutes=99)
    assert image.outdated and image.record.traits == MARIE


@pytest.mark.parametrize("status", [Status.PROVISIONAL, Status.RETRIEVED, Status.VALIDATED, Status.UNSAID])
def test_a_matricule_is_kept_with_a_qualified_identity_only(register: Register, status: Status) -> None:
    assert register.take("1", MARIE, ins=MARIE_INS).record.ins == MARIE_INS
    kept = register.take("2", MARIE, ins=MARIE_INS, status=status)
    assert kept.record.ins is None and kept.linked is None
    lost = register.take("1", MARIE, ins=MARIE_INS, status=status, minutes=1).record
    assert lost.ins == (MARIE_INS if status is Status.UNSAID else None)
    with register.database.read() as tx:
        trail = [str(r.detail) for r in audit.search(tx)]
    assert trail and not any(MARIE_INS.number in one or "DURAND" in one for one in trail)


def test_an_ins_that_is_none_leaves_the_identity_validated(register: Register) -> None:
    for value, ins in (("1", Ins("28002315550018", "1.2.250.1.213.1.4.8")), ("2", Ins(MARIE_INS.value, "1.2.3"))):
        record = register.take(value, MARIE, ins=ins).record
        assert (record.ins, record.status) == (None, Status.VALIDATED)
    assert register.take("3", MARIE, status=Status.QUALIFIED).record.status is Status.VALIDATED


def test_a_wrong_key_only_warns(register: Register) -> None:
    assert MARIE_INS.key_fits is True, "97 less the number modulo 97"
    wrong = Ins(MARIE_INS.number + "01", MARIE_INS.oid)
    assert (wrong.key_fits, Ins(MARIE_INS.number, MARIE_INS.oid).key_fits) == (False, None)
    taken = register.take("1", MARIE, ins=wrong)
    assert (taken.warnings, taken.record.ins) == (("ins-key",), wrong)


def test_a_doubtful_or_fictitious_identity_is_provisional(register: Register) -> None:
    for value, flag in (("1", "doubtful"), ("2", "fictitious")):
        record = register.take(value, MARIE, ins=MARIE_INS, flags=frozenset({flag, "unheard-of"})).record
        assert (record.status, record.ins, record.flags) == (Status.PROVISIONAL, None, frozenset({flag}))


def test_an_unidentified_patient_is_compared_with_nobody_until_she_has_a_name(register: Register) -> None:
    """Emergency: a fictitious identity with an age as its date; later the same number gets its name, or is merged into the real one."""
    register.take("1", MARIE)
    unknown = register.take("U9", replace(MARIE, birth_first="INCONNUE"), flags=frozenset({"fictitious"}))
    assert unknown.proposed == () and unknown.record.is_invented
    named = register.take("U9", Traits("DURAND", "MARIE", birth_date="19800214"), minutes=30)
    assert not named.record.is_invented
    assert named.record.traits.birth_place_insee == "", "nothing of what was invented stays"
    assert len(named.proposed) == 1
    register.take("U8", Traits("X", "X"), flags=frozenset({"fictitious"}))
    merge = register.merge("U8", "1", minutes=60)
    assert register.ids("1") == {"1@A", "U8@A"}
    with register.database.read() as tx:
        person = identity.person_of(tx, LocalId("U8", "A"))
        assert person is not None and person.best.traits == MARIE
    register.act(identity.undo, merge.id)
    assert register.ids("U8") == {"U8@A"}


def test_what_is_refused(register: Register) -> None:
    register.take("1", MARIE)
    with pytest.raises(Conflict):
        register.take("1", MARIE, site="t", issuer="A")
    with pytest.raises(NotFound):
        register.take("1", MARIE, site="nowhere")
    for value in ("", "x" * 301, "4\x00", "4\n", "\x1b4"):
        with pytest.raises(Invalid):
            register.take(value, MARIE)
        with pytest.raises(Invalid):
            register.merge(value, "1")
    with pytest.raises(Invalid):
        register.take("4", MARIE, issuer="A\x07")
    kept = register.take("2", replace(MARIE, birth_family="DU\0RAND\r" + "X" * 400, birth_date="12/12/1980", sex="female")).record.traits
    assert kept.birth_family.startswith("DU RAND X") and len(kept.birth_family) == 300
    assert (kept.birth_date, kept.sex) == ("", "F")


def test_a_test_number_links_in_the_training_region_only(register: Register) -> None:
    test_ins = Ins(MARIE_INS.number, NIR_TEST)
    register.take("1", MARIE, ins=test_ins)
    assert register.take("1", MARIE, site="b", ins=test_ins).linked is None
    register.take("1", MARIE, site="t", ins=test_ins)
    assert register.take("2", MARIE, site="t", ins=test_ins).linked is not None
    assert register.ids("1", "T") == {"1@T", "2@T"}


def test_nothing_crosses_the_wall(register: Register) -> None:
    real = register.take("1", MARIE, ins=MARIE_INS)
    training = register.take("1", MARIE, site="t", ins=MARIE_INS)
    assert (training.linked, training.proposed) == (None, ())
    with pytest.raises(Conflict):
        register.act(identity.link, real.record.key, training.record.key)
    assert register.take("2", NOBODY, site="t").proposed == ()
