"""A record as an audit message and as an AuditEvent: by the standard's schema, its codes by a second list of them."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydicom.sr import _cid_dict, _concepts_dict

from archipel import audit
from archipel.audit import AuditRecord, Outcome
from archipel.audit.codes import MEANINGS
from archipel.kit.actor import Actor
from tests.servers import missing
from tests.web.test_trail_words import ACTS

SCHEMA = Path(__file__).with_name("audit_message.rng")
AT = datetime(2026, 1, 15, 10, 0, 0, 123456, UTC)
CLAIRE = Actor("account", "claire", "Claire Élan", "technician", "nord", "10.0.0.1")
RECORDS = [AuditRecord("a" * 32, AT, CLAIRE, action, Outcome.SUCCESS, "1.2.3", "x", {"count": 3, "door": "web"}) for action in ACTS]
HOSTILE = '<&"\x00\x07\ud800\uffff\n]]>é'


def read(record: AuditRecord, **more: Any) -> ET.Element:
    """The message as another program reads it."""
    return ET.fromstring(audit.audit_message(record, source="archipel", **more))


@pytest.fixture(scope="module")
def xmllint() -> str:
    found = shutil.which("xmllint")
    if not found:
        missing("xmllint")
    return str(found)


def test_each_act_is_a_message_by_the_schema(xmllint: str, tmp_path: Path) -> None:
    odd = [
        AuditRecord("b" * 32, AT, Actor.system("task"), "odd.thing", Outcome.FAILED),
        AuditRecord("c" * 32, AT, Actor("device", HOSTILE, HOSTILE, "", "", "host.example"), "archive.receive", Outcome.REFUSED, "1.2", HOSTILE,
                    {HOSTILE: HOSTILE, "on_behalf_of": "doctor"}),
    ]  # fmt: skip
    paths = []
    for n, record in enumerate([*RECORDS, *odd]):
        paths.append(tmp_path / f"{n}.xml")
        paths[-1].write_bytes(audit.audit_message(record, source="archipel", patient_id="P1^^^site:nord" if n % 2 else ""))
    done = subprocess.run([xmllint, "--noout", "--relaxng", SCHEMA, *paths], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr.count("validates") == len(RECORDS) + 2


def test_the_schema_refuses_what_is_no_message(xmllint: str, tmp_path: Path) -> None:
    whole = audit.audit_message(RECORDS[0], source="archipel")
    for n, broken in enumerate([
        re.sub(rb"<EventID [^>]*>", b"", whole), whole.replace(b'EventOutcomeIndicator="0"', b'EventOutcomeIndicator="1"'),
        re.sub(rb"<ParticipantObjectName>.*?</ParticipantObjectName>", b"", whole), re.sub(rb"<AuditSourceId.*?Identification>", b"", whole),
    ]):  # fmt: skip
        assert broken != whole
        path = tmp_path / f"{n}.xml"
        path.write_bytes(broken)
        assert subprocess.run([xmllint, "--noout", "--relaxng", SCHEMA, path], capture_output=True, timeout=60).returncode


def test_codes_are_those_of_the_dictionary() -> None:
    """pydicom's copy of PS3.16, by its keywords."""
    listed = _concepts_dict.concepts["DCM"]
    known = {code: meaning for concept in listed.values() for code, (meaning, _) in concept.items()}
    assert {code: known[code] for code in MEANINGS} == MEANINGS

    def of(cid: int) -> set[str]:
        return {code for keyword in _cid_dict.cid_concepts[cid]["DCM"] for code in listed[keyword]}

    events, types = of(400), of(401)
    for action in ACTS:
        event = audit.event_of(action)
        assert event.id in events and (not event.type or event.type in types) and event.action in set("CRUDE")


@pytest.mark.parametrize(
    ("action", "event", "kind"),
    [
        ("archive.open", "110103", ""), ("archive.query", "110112", ""), ("archive.retrieve", "110104", ""), ("dimse.send", "110104", ""),
        ("archive.download", "110106", ""), ("archive.reject", "110105", ""), ("signin.sign_in", "110114", "110122"),
        ("signin.sign_out", "110114", "110123"), ("sharing.break_glass", "110113", "110127"), ("identity.merge", "110110", ""),
        ("sharing.end_break_glass", "110113", "110138"), ("audit.search", "110101", ""), ("directory.add_device", "110113", "110128"),
    ],
)  # fmt: skip
def test_acts_are_the_events_of_the_national_table(action: str, event: str, kind: str) -> None:
    found = audit.event_of(action)
    assert (found.id, found.type) == (event, kind)


def test_a_message_says_who_what_whom_when_and_from_where() -> None:
    record = AuditRecord("a" * 32, AT, CLAIRE, "archive.reject", Outcome.REFUSED, "1.2.3", "r1", {"code": "113001", "count": 3})
    root = read(record, patient_id="P1^^^site:nord")
    event = root.find("EventIdentification")
    assert event is not None
    assert (event.get("EventDateTime"), event.get("EventOutcomeIndicator")) == ("2026-01-15T10:00:00.123456Z", "4")
    who, ours = root.findall("ActiveParticipant")
    assert (who.get("UserID"), who.get("UserName"), who.get("UserIsRequestor")) == ("claire", "Claire Élan", "true")
    assert (who.get("NetworkAccessPointID"), who.get("NetworkAccessPointTypeCode"), ours.get("UserID")) == ("10.0.0.1", "2", "archipel")
    objects = {
        (o.get("ParticipantObjectTypeCodeRole"), o.get("ParticipantObjectID")) for o in root.findall("ParticipantObjectIdentification")
    }
    assert objects == {("3", "1.2.3"), ("1", "P1^^^site:nord"), ("4", "r1")}
    details = {d.get("type"): base64.b64decode(d.get("value", "")).decode() for d in root.iter("ParticipantObjectDetail")}
    assert details == {"record": "a" * 32, "code": "113001", "count": "3"}


def test_who_sends_and_who_receives_have_their_roles() -> None:
    def roles(action: str) -> list[str | None]:
        record = AuditRecord("a" * 32, AT, Actor("device", "CT1"), action, Outcome.SUCCESS, "1.2.3")
        return [role.get("csd-code") for role in read(record).iter("RoleIDCode")]

    assert roles("archive.receive") == ["110153", "110152"]
    assert roles("archive.retrieve") == ["110152", "110153"]


@pytest.mark.parametrize("record", RECORDS, ids=[r.action for r in RECORDS])
def test_each_act_is_an_audit_event_of_the_national_profile(record: AuditRecord) -> None:
    """FHIR R4 AuditEvent: required elements and value sets, and the profile's own cardinalities."""
    event = audit.audit_event(record, source="archipel", patient_id="P1^^^site:nord")
    allowed = {
        "resourceType", "type", "subtype", "action", "period", "recorded", "outcome", "agent", "source", "entity",
    }  # fmt: skip
    assert set(event) == allowed
    assert event["resourceType"] == "AuditEvent" and event["action"] in set("CRUDE") and event["outcome"] in ("0", "4", "8", "12")
    assert {"system", "code"} <= set(event["type"]) and len(event["subtype"]) == 1 and event["period"]["start"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", event["recorded"])
    assert [agent["requestor"] for agent in event["agent"]] == [True, False]
    assert all(agent["who"]["identifier"]["value"] for agent in event["agent"])
    assert event["source"]["observer"]["identifier"]["value"] == "archipel"
    for entity in event["entity"]:
        assert entity["what"]["identifier"]["value"] and set(entity) <= {"what", "type", "role", "detail"}
        assert all(set(one) == {"type", "valueString"} and one["type"] and one["valueString"] for one in entity.get("detail", []))
    assert [entity["role"]["code"] for entity in event["entity"]] == ["3", "4", "1"]
