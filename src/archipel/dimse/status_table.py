"""From what happened to the DIMSE status and comment that say so: one table (PS3.4 B.2.3 and C.4, PS3.7 Annex C).

A comment is an LO in the default repertoire: 64 characters of ASCII, for the technician who reads the modality's log.
"""

from __future__ import annotations

from archipel.archive import Fate, Outcome
from archipel.dicom import status
from archipel.kit.errors import ArchipelError

# Of a stored instance, by fate.
FATES: dict[Fate, tuple[int, str]] = {
    Fate.STORED: (status.SUCCESS, ""),
    Fate.ALREADY_STORED: (status.SUCCESS, ""),
    Fate.KEPT_ASIDE: (status.COERCED, "Same UID with other content: kept aside, to be reconciled"),
}

# Of a refused instance, by the code of its error. Codes that sending again may cure are in the family A7xx.
STORE_ERRORS: dict[str, tuple[int, str]] = {
    "unreadable": (status.CANNOT_UNDERSTAND, "The dataset cannot be read in the negotiated transfer syntax"),
    "not-dicom": (0xC001, "What was sent is not a DICOM dataset"),
    "missing-uid": (0xC002, "A study, series or instance UID is missing in the dataset"),
    "malformed-uid": (status.INVALID_INSTANCE, "A UID in the dataset or command is malformed"),
    "class-mismatch": (status.CLASS_MISMATCH, "Dataset and command name another SOP class or instance"),
    "too-large": (status.OUT_OF_RESOURCES, "The instance is larger than the archive takes"),
    "too-deep": (0xC003, "Sequences are nested deeper than the archive takes"),
    "unsupported-syntax": (0xC004, "The archive does not keep this transfer syntax"),
    "no-dataset": (0xC005, "The message has no dataset"),
    "out-of-space": (status.OUT_OF_RESOURCES, "The archive is out of disk space; nothing was stored"),
    "busy": (status.OUT_OF_RESOURCES, "The archive is busy; send again later"),
    "stopping": (status.OUT_OF_RESOURCES, "The archive is stopping; send again later"),
}

# Of any other operation that fails, by the code of its error.
ERRORS: dict[str, int] = {"too-many-values": status.IDENTIFIER_MISMATCH}

# Of anything else that fails, by the kind of the error.
KINDS: dict[str, int] = {
    "invalid": status.UNABLE_TO_PROCESS,
    "not_found": status.UNABLE_TO_PROCESS,
    "not_allowed": status.NOT_AUTHORIZED,
    "conflict": status.UNABLE_TO_PROCESS,
    "limit_reached": status.OUT_OF_RESOURCES,
    "unavailable": status.OUT_OF_RESOURCES,
    "error": status.PROCESSING_FAILURE,
}


def of_outcome(outcome: Outcome) -> tuple[int, str]:
    """Status and comment of a C-STORE response."""
    if outcome.fate is Fate.REFUSED:
        return of_store_error(outcome.error)
    return FATES[outcome.fate]


def of_store_error(error: ArchipelError | None) -> tuple[int, str]:
    """Status and comment for an instance that was not stored."""
    if error is None:
        return status.CANNOT_UNDERSTAND, "The instance was refused"
    return STORE_ERRORS.get(error.code) or (KINDS[error.kind], ascii_comment(error.public))


def of_error(error: ArchipelError) -> tuple[int, str]:
    """Status and comment for any other operation."""
    return ERRORS.get(error.code, KINDS[error.kind]), ascii_comment(error.public)


def ascii_comment(text: str) -> str:
    """Text as an LO of the default repertoire holds it."""
    return text.encode("ascii", "replace").decode().replace("\\", "/")[:64]
