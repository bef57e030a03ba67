"""A record as a FHIR R4 AuditEvent, with the cardinalities of the national profile: a period, two agents, one subtype."""

from __future__ import annotations

import json
from typing import Any

from archipel.audit.codes import MEANINGS, event_of
from archipel.audit.message import OUTCOMES, is_address
from archipel.audit.model import AuditRecord
from archipel.kit.clock import to_text

DCM = "http://dicom.nema.org/resources/ontology/DCM"
ACTIONS = "urn:archipel:audit:action"
_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"


def audit_event(record: AuditRecord, *, source: str, patient_id: str = "") -> dict[str, Any]:
    """The resource as JSON values. ``source`` and ``patient_id`` as for the message of PS3.15."""
    event = event_of(record.action)
    actor = record.actor
    subtype = _dcm(event.type) if event.type else {"system": ACTIONS, "code": record.action}
    who: dict[str, Any] = {"who": {"identifier": {"value": actor.id or actor.kind}}, "requestor": True}
    if actor.name:
        who["name"] = actor.name
    if actor.role:
        who["role"] = [{"coding": [{"system": "urn:archipel:role", "code": actor.role}]}]
    if behalf := str(record.detail.get("on_behalf_of", "")):
        who["altId"] = behalf
    if actor.address:
        who["network"] = {"address": actor.address, "type": "2" if is_address(actor.address) else "1"}
    observer: dict[str, Any] = {"observer": {"identifier": {"value": source}}}
    if actor.site_id:
        observer["site"] = actor.site_id
    at = to_text(record.at)
    return {
        "resourceType": "AuditEvent",
        "type": _dcm(event.id),
        "subtype": [subtype],
        "action": event.action,
        "period": {"start": at, "end": at},
        "recorded": at,
        "outcome": OUTCOMES[record.outcome],
        "agent": [who, {"who": {"identifier": {"value": source}}, "type": {"coding": [_dcm("110150")]}, "requestor": False}],
        "source": observer,
        "entity": _entities(record, patient_id),
    }


def _entities(record: AuditRecord, patient_id: str) -> list[dict[str, Any]]:
    said = [{"type": "record", "valueString": record.id}, {"type": "action", "valueString": record.action}]
    for name, value in record.detail.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if text:
            said.append({"type": name, "valueString": text})
    found = []
    if record.study_uid:
        found.append(_entity("urn:dicom:uid", f"urn:oid:{record.study_uid}", "2", "3"))
    if record.object_id or not record.study_uid:
        found.append(_entity("", record.object_id or record.id, "2", "4"))
    found[0]["detail"] = said
    if patient_id:
        found.append(_entity("", patient_id, "1", "1"))
    return found


def _entity(system: str, value: str, kind: str, role: str) -> dict[str, Any]:
    identifier = {"value": value} | ({"system": system} if system else {})
    return {"what": {"identifier": identifier}, "type": {"system": _TYPE, "code": kind}, "role": {"system": _ROLE, "code": role}}


def _dcm(code: str) -> dict[str, str]:
    return {"system": DCM, "code": code, "display": MEANINGS[code]}
