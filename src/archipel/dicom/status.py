"""DIMSE status codes (PS3.7 Annex C; PS3.4 B.2.3, C.4; Table J.3.2) and what they mean to a caller."""

from __future__ import annotations

from enum import StrEnum

SUCCESS = 0x0000
CANCEL = 0xFE00
PENDING = 0xFF00
PENDING_UNSUPPORTED_KEYS = 0xFF01

# General, PS3.7 Annex C.
PROCESSING_FAILURE = 0x0110
NO_SUCH_INSTANCE = 0x0112
NO_SUCH_EVENT_TYPE = 0x0113
INVALID_ARGUMENT = 0x0115
INVALID_INSTANCE = 0x0117
NO_SUCH_CLASS = 0x0118
CLASS_INSTANCE_CONFLICT = 0x0119
MISSING_ATTRIBUTE = 0x0120
CLASS_NOT_SUPPORTED = 0x0122
NO_SUCH_ACTION = 0x0123
NOT_AUTHORIZED = 0x0124
UNRECOGNIZED_OPERATION = 0x0211
MISTYPED_ARGUMENT = 0x0212
RESOURCE_LIMITATION = 0x0213

# Storage, PS3.4 Table B.2-1.
COERCED = 0xB000
ELEMENTS_DISCARDED = 0xB006
CLASS_MISMATCH_WARNING = 0xB007
OUT_OF_RESOURCES = 0xA700
CLASS_MISMATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000

# Query/retrieve, PS3.4 C.4.
CANNOT_COUNT_MATCHES = 0xA701
CANNOT_PERFORM_SUBOPERATIONS = 0xA702
MOVE_DESTINATION_UNKNOWN = 0xA801
IDENTIFIER_MISMATCH = 0xA900
SUBOPERATIONS_WARNING = 0xB000
UNABLE_TO_PROCESS = 0xC000


class Category(StrEnum):
    """What a requestor does next depends on this alone."""

    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"
    CANCEL = "cancel"
    PENDING = "pending"


def category(status: int) -> Category:
    """The category of a status (PS3.7 C.1 and Table C-1)."""
    if status == SUCCESS:
        return Category.SUCCESS
    if status in (PENDING, PENDING_UNSUPPORTED_KEYS):
        return Category.PENDING
    if status == CANCEL:
        return Category.CANCEL
    if status >> 12 == 0xB or status in (0x0001, 0x0107, 0x0116):
        return Category.WARNING
    return Category.FAILURE
