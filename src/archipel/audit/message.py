"""A record as an audit message: XML by the schema of PS3.15 A.5.1."""

from __future__ import annotations

import base64
import ipaddress
import json
from xml.etree.ElementTree import Element, SubElement, tostring

from archipel.audit.codes import MEANINGS, Event, event_of
from archipel.audit.model import AuditRecord, Outcome
from archipel.kit.clock import to_text

OUTCOMES = {Outcome.SUCCESS: "0", Outcome.REFUSED: "4", Outcome.FAILED: "8"}
# The scheme of our own codes (PS3.3 8.2: 99 and a name).
OURS = "99ARCHIPEL"
RECEIVED = "C"


def audit_message(record: AuditRecord, *, source: str, patient_id: str = "") -> bytes:
    """The message in UTF-8. ``source`` names this installation; ``patient_id`` (ID^^^issuer) is whom the record's study is of."""
    event = event_of(record.action)
    root = Element("AuditMessage")
    about = SubElement(
        root, "EventIdentification",
        {"EventActionCode": event.action, "EventDateTime": to_text(record.at), "EventOutcomeIndicator": OUTCOMES[record.outcome]},
    )  # fmt: skip
    _dcm(about, "EventID", event.id)
    if event.type:
        _dcm(about, "EventTypeCode", event.type)
    _coded(about, "EventTypeCode", record.action, OURS, record.action)
    _participants(root, record, event, source)
    site = {"AuditEnterpriseSiteID": _clean(record.actor.site_id)} if record.actor.site_id else {}
    SubElement(SubElement(root, "AuditSourceIdentification", {"AuditSourceID": source, **site}), "AuditSourceTypeCode", {"csd-code": "4"})
    _objects(root, record, patient_id)
    return bytes(tostring(root, encoding="utf-8"))


def _participants(root: Element, record: AuditRecord, event: Event, source: str) -> None:
    actor = record.actor
    values = {"UserID": _clean(actor.id) or actor.kind, "UserIsRequestor": "true"}
    if actor.name:
        values["UserName"] = _clean(actor.name)
    if behalf := str(record.detail.get("on_behalf_of", "")):
        values["AlternativeUserID"] = _clean(behalf)
    if actor.address:
        values |= {"NetworkAccessPointID": _clean(actor.address), "NetworkAccessPointTypeCode": "2" if is_address(actor.address) else "1"}
    who = SubElement(root, "ActiveParticipant", values)
    ours = SubElement(root, "ActiveParticipant", {"UserID": source, "UserIsRequestor": "false"})
    if event.id in ("110104", "110106", "110107"):
        comes = event.action == RECEIVED
        _dcm(who, "RoleIDCode", "110153" if comes else "110152")
        _dcm(ours, "RoleIDCode", "110152" if comes else "110153")
    else:
        _dcm(ours, "RoleIDCode", "110150")
    if actor.role:
        _coded(who, "RoleIDCode", actor.role, OURS, actor.role)


def _objects(root: Element, record: AuditRecord, patient_id: str) -> None:
    if record.study_uid:
        study = SubElement(root, "ParticipantObjectIdentification", _object(record.study_uid, "2", "3"))
        _dcm(study, "ParticipantObjectIDTypeCode", "110180")
        SubElement(study, "ParticipantObjectName").text = record.study_uid
        _details(study, record)
    if patient_id:
        patient = SubElement(root, "ParticipantObjectIdentification", _object(patient_id, "1", "1"))
        _coded(patient, "ParticipantObjectIDTypeCode", "2", "RFC-3881", "Patient Number")
        SubElement(patient, "ParticipantObjectName").text = _clean(patient_id)
    if record.object_id or not record.study_uid:
        thing = SubElement(root, "ParticipantObjectIdentification", _object(record.object_id or record.id, "2", "4"))
        _coded(thing, "ParticipantObjectIDTypeCode", "object", OURS, "object of the act")
        SubElement(thing, "ParticipantObjectName").text = _clean(record.object_id or record.id)
        if not record.study_uid:
            _details(thing, record)


def _object(object_id: str, kind: str, role: str) -> dict[str, str]:
    return {"ParticipantObjectID": _clean(object_id), "ParticipantObjectTypeCode": kind, "ParticipantObjectTypeCodeRole": role}


def _details(parent: Element, record: AuditRecord) -> None:
    for name, value in (("record", record.id), *record.detail.items()):
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        encoded = base64.b64encode(text.encode("utf-8", "replace")).decode()
        SubElement(parent, "ParticipantObjectDetail", {"type": _clean(name), "value": encoded})


def _dcm(parent: Element, name: str, code: str) -> None:
    _coded(parent, name, code, "DCM", MEANINGS[code])


def _coded(parent: Element, name: str, code: str, scheme: str, meaning: str) -> None:
    SubElement(parent, name, {"csd-code": _clean(code), "codeSystemName": scheme, "originalText": _clean(meaning)})


def is_address(text: str) -> bool:
    """Whether it is an IP address, not a name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _clean(text: str) -> str:
    """What XML 1.0 can hold."""
    return "".join(c if c >= " " and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff" else "\ufffd" for c in text)
