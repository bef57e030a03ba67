"""The answer to a store: which instances are kept, which are not and why (PS3.18 10.5.3, I.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archipel import archive
from archipel.dicom import uids
from archipel.dicom.index import path_of
from archipel.dicomweb.parts import resource_url
from archipel.kit.errors import ArchipelError

KEPT_ASIDE = 0xB000
KEPT_ASIDE_TEXT = "Another content is archived under this UID; this one is kept aside until a person has decided."
PROCESSING_FAILURE = 0x0110
CLASS_NOT_SUPPORTED = 0x0122
NOT_AUTHORIZED = 0x0124
NO_RESOURCES = 0xA700
DOES_NOT_MATCH = 0xA900
NOT_UNDERSTOOD = 0xC000
SYNTAX_NOT_SUPPORTED = 0xC122

# Failure reasons (PS3.18 Table I.2-2) by the code of the error; what is not named is a processing failure.
FAILURES = {
    "busy": NO_RESOURCES,
    "out-of-space": NO_RESOURCES,
    "too-large": NO_RESOURCES,
    "class-mismatch": DOES_NOT_MATCH,
    "other-study": DOES_NOT_MATCH,
    "not-dicom": NOT_UNDERSTOOD,
    "unreadable": NOT_UNDERSTOOD,
    "too-deep": NOT_UNDERSTOOD,
    "missing-uid": NOT_UNDERSTOOD,
    "malformed-uid": NOT_UNDERSTOOD,
    "bad-json": NOT_UNDERSTOOD,
    "bad-xml": NOT_UNDERSTOOD,
    "bad-value": NOT_UNDERSTOOD,
    "bulk-missing": NOT_UNDERSTOOD,
    "unsupported-media": NOT_UNDERSTOOD,
    "unsupported-class": CLASS_NOT_SUPPORTED,
    "unsupported-syntax": SYNTAX_NOT_SUPPORTED,
    "training-region": NOT_AUTHORIZED,
}
# When nothing was stored, and all for one of these reasons, the status says so instead of 409.
STATUS_OF_ALL = {"busy": 503, "out-of-space": 503, "failed": 503, "database": 503, "blobs": 503, "spool": 503, "too-large": 413}

_REFERENCED, _FAILED = path_of("ReferencedSOPSequence"), path_of("FailedSOPSequence")
_CLASS, _INSTANCE = path_of("ReferencedSOPClassUID"), path_of("ReferencedSOPInstanceUID")
_FAILURE, _WARNING, _COMMENT = path_of("FailureReason"), path_of("WarningReason"), path_of("ErrorComment")
_URL = path_of("RetrieveURL")


def status_of(outcomes: Sequence[archive.Outcome]) -> int:
    """200 when all are stored as sent, 202 when some are not, 409 when none is, or what all failed for."""
    refused = [outcome.error for outcome in outcomes if outcome.fate is archive.Fate.REFUSED and outcome.error]
    if len(refused) == len(outcomes):
        reasons = {STATUS_OF_ALL.get(error.code, 409) for error in refused}
        return reasons.pop() if len(reasons) == 1 else 409
    aside = any(outcome.fate is archive.Fate.KEPT_ASIDE for outcome in outcomes)
    return 202 if refused or aside else 200


def dataset(outcomes: Sequence[archive.Outcome], root: str) -> dict[str, Any]:
    """The Store Instances Response Module as DICOM JSON."""
    stored = [_stored(outcome, root) for outcome in outcomes if outcome.fate is not archive.Fate.REFUSED]
    failed = [_refused(outcome) for outcome in outcomes if outcome.fate is archive.Fate.REFUSED]
    row: dict[str, Any] = {}
    studies = {outcome.study_uid for outcome in outcomes if outcome.fate is not archive.Fate.REFUSED}
    if len(studies) == 1:
        row[_URL] = {"vr": "UR", "Value": [resource_url(root, studies.pop())]}
    if failed:
        row[_FAILED] = {"vr": "SQ", "Value": failed}
    if stored:
        row[_REFERENCED] = {"vr": "SQ", "Value": stored}
    return dict(sorted(row.items()))


def _stored(outcome: archive.Outcome, root: str) -> dict[str, Any]:
    item = _named(outcome)
    item[_URL] = {"vr": "UR", "Value": [resource_url(root, outcome.study_uid, outcome.series_uid, outcome.sop_instance_uid)]}
    if outcome.fate is archive.Fate.KEPT_ASIDE:
        item[_WARNING] = {"vr": "US", "Value": [KEPT_ASIDE]}
        item[_COMMENT] = {"vr": "LO", "Value": [KEPT_ASIDE_TEXT]}
    return dict(sorted(item.items()))


def _refused(outcome: archive.Outcome) -> dict[str, Any]:
    item = _named(outcome)
    error = outcome.error
    item[_FAILURE] = {"vr": "US", "Value": [failure_of(error)]}
    if error is not None:
        item[_COMMENT] = {"vr": "LO", "Value": [error.public]}
    return dict(sorted(item.items()))


def failure_of(error: ArchipelError | None) -> int:
    """The failure reason of an error."""
    return FAILURES.get(error.code, PROCESSING_FAILURE) if error else PROCESSING_FAILURE


def _named(outcome: archive.Outcome) -> dict[str, Any]:
    pairs = ((_CLASS, outcome.sop_class_uid), (_INSTANCE, outcome.sop_instance_uid))
    return {path: {"vr": "UI", "Value": [uid]} if uids.is_uid(uid) else {"vr": "UI"} for path, uid in pairs}
