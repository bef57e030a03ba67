#!/usr/bin/env python3
"""Fill the tables of docs/conformance/dicom.md from the code: what stands between <!-- table NAME --> and <!-- end --> is written here.

tools/conformance.py [--check]. With --check nothing is written, and the exit status is 1 when a table is not what the code has.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path

from pydicom.uid import UID

from archipel.dicom import charset, index, pdu, sop_classes, status, transcode, uids
from archipel.dicomweb import capabilities, store_answer
from archipel.dimse import find, negotiation, status_table
from archipel.dimse import settings as dimse_settings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "conformance" / "dicom.md"
_BLOCK = re.compile(r"(<!-- table ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

# Statuses by service, with what they mean there; the check of this table against the code is tests/conformance/test_statement.py.
SERVICES: dict[str, dict[int, str]] = {
    "C-ECHO": {status.SUCCESS: "verified", status.CLASS_NOT_SUPPORTED: "the presentation context is not Verification"},
    "C-FIND": {
        status.PENDING: "a match; all keys are supported",
        status.PENDING_UNSUPPORTED_KEYS: "a match; some keys are neither matched nor returned",
        status.SUCCESS: "all matches were sent",
        status.CANCEL: "cancelled by the requestor",
        find.LIMIT_REACHED: "the limit of matches was reached; the comment says how many were sent",
        status.IDENTIFIER_MISMATCH: "the identifier does not fit the information model",
        status.CLASS_NOT_SUPPORTED: "the presentation context is of another service",
    },
    "C-MOVE and C-GET": {
        status.PENDING: "sub-operations go on; with their counts",
        status.SUCCESS: "all sub-operations succeeded, or nothing matched",
        status.SUBOPERATIONS_WARNING: "some failed or ended with a warning; the failed ones are in (0008,0058)",
        status.CANCEL: "cancelled by the requestor, with the counts",
        status.CANNOT_COUNT_MATCHES: "more instances than one retrieve may have",
        status.CANNOT_PERFORM_SUBOPERATIONS: "all sub-operations failed",
        status.MOVE_DESTINATION_UNKNOWN: "C-MOVE: the destination is no known, active device",
        status.IDENTIFIER_MISMATCH: "no unique key of the level, or one with a wildcard",
        status.CLASS_NOT_SUPPORTED: "the presentation context is of another service",
    },
    "N-ACTION": {
        status.SUCCESS: "the request was taken; the result follows by N-EVENT-REPORT",
        status.NO_SUCH_INSTANCE: "not the well-known instance of storage commitment",
        status.NO_SUCH_ACTION: "another action than 1",
        status.INVALID_ARGUMENT: "the request cannot be read",
        status.RESOURCE_LIMITATION: "the archive is stopping",
        status.CLASS_NOT_SUPPORTED: "the presentation context is of another service",
    },
    "N-EVENT-REPORT, failure reason of an instance": {
        status.NO_SUCH_INSTANCE: "not here, or not for this device to see",
        status.CLASS_INSTANCE_CONFLICT: "here with another SOP class",
        status.PROCESSING_FAILURE: "indexed, and its bytes cannot be read in full",
    },
    "any other operation": {status.UNRECOGNIZED_OPERATION: "not provided"},
}


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table in Markdown."""
    head = list(head)
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)]) + "\n"


# Younger than pydicom's dictionary.
YOUNG = {
    uids.DEFLATED_FRAMES: "Deflated Image Frame Compression",
    uids.JPEG_XL_LOSSLESS: "JPEG XL Lossless",
    uids.JPEG_XL_JPEG: "JPEG XL JPEG Recompression",
    uids.JPEG_XL: "JPEG XL",
}


def named(found: Iterable[str]) -> list[tuple[str, str]]:
    """UIDs with their names, by UID as numbers."""
    ordered = sorted(found, key=lambda uid: [int(part) for part in uid.split(".")])
    return [(YOUNG.get(uid) or UID(uid).name.removeprefix(uid), f"`{uid}`") for uid in ordered]


def storage_classes() -> str:
    """Storage SOP classes of the standard that our dictionary names."""
    return table(("SOP class", "UID"), named(sop_classes.STORAGE))


def private_classes() -> str:
    """Private storage SOP classes taken without a setting."""
    return table(("UID",), ((uid,) for _, uid in named(sop_classes.PRIVATE_STORAGE)))


def services() -> str:
    """The other SOP classes that are accepted."""
    rows = [
        (*one, role)
        for found, role in (
            ((sop_classes.VERIFICATION,), "SCP; SCU for the test of a device"),
            (sop_classes.FIND, "SCP"),
            (sop_classes.MOVE, "SCP"),
            (sop_classes.GET, "SCP"),
            ((sop_classes.STORAGE_COMMITMENT_PUSH,), "SCP"),
        )
        for one in named(found)
    ]
    return table(("SOP class", "UID", "role"), rows)


def transfer_syntaxes() -> str:
    """What is kept, and what of it can be given in another syntax."""
    rows = []
    for name, uid in named(negotiation.STORAGE_SYNTAXES):
        plain = uid.strip("`")
        rows.append((name, uid, "yes" if plain in transcode.TARGETS else "as stored only"))
    return table(("transfer syntax", "UID", "converted on request"), rows)


def targets() -> str:
    """What convertible instances can be given in."""
    lossless = sorted({to for found in transcode.TARGETS.values() for to in found})
    return table(("given in", "UID"), named(lossless)) + "\nBy name only, with loss: " + ", ".join(
        f"{name} ({uid})" for name, uid in named(transcode.LOSSY_TARGETS)
    ) + ".\n"  # fmt: skip


def rejections() -> str:
    """Rejections of associations."""
    rows = ((r.result, r.source, r.reason, meaning) for r, meaning in negotiation.REASONS.items())
    return table(("result", "source", "reason", "when"), rows)


def store_statuses() -> str:
    """Statuses of C-STORE."""
    rows = [(f"{code:04X}", f"{fate.value.replace('_', ' ')}", comment) for fate, (code, comment) in status_table.FATES.items()]
    rows += [(f"{code:04X}", f"`{name}`", comment) for name, (code, comment) in status_table.STORE_ERRORS.items()]
    return table(("status", "outcome", "error comment"), rows)


def kind_statuses() -> str:
    """Statuses of what fails otherwise, in any service."""
    return table(("status", "kind of error"), ((f"{code:04X}", f"`{kind}`") for kind, code in status_table.KINDS.items()))


def service_statuses() -> str:
    """Statuses of the other services."""
    return table(
        ("service", "status", "meaning"),
        ((service, f"{code:04X}", meaning) for service, found in SERVICES.items() for code, meaning in found.items()),
    )


def keys() -> str:
    """Keys of queries by level."""
    rows = []
    for level in index.LEVELS:
        rows += [(level, one.keyword, one.vr) for one in index.BY_PATH.values() if one.level == level]
    return table(("level", "attribute", "VR"), rows)


def limits() -> str:
    """The limits of the DIMSE door."""
    rows = []
    for one in fields(dimse_settings.DimseSettings):
        if one.name in dimse_settings._BOUNDS:
            low, high = dimse_settings._BOUNDS[one.name]
            rows.append((f"`{one.name}`", one.default, f"{low} to {high}"))
    return table(("limit", "default", "bounds"), rows)


def character_sets() -> str:
    """Defined terms that are read."""
    return ", ".join(f"`{term}`" for term in sorted(charset._TERMS) if term.startswith("ISO") or term in ("GBK", "GB18030")) + "\n"


def web_resources() -> str:
    """Resources of the DICOMweb door."""
    return table(
        ("resource", "method", "media types"),
        ((f"`{path}`", method, ", ".join(f"`{one}`" for one in media)) for path, method, media in capabilities._resources()),
    )


def web_failures() -> str:
    """Failure reasons of STOW-RS."""
    return table(("reason", "error"), sorted((f"{code:04X}", f"`{name}`") for name, code in store_answer.FAILURES.items()))


def implementation() -> str:
    """Who we say that we are."""
    return table(
        ("", ""),
        (
            ("Implementation Class UID", f"`{uids.IMPLEMENTATION_CLASS_UID}`"),
            ("Implementation Version Name", f"`{uids.IMPLEMENTATION_VERSION_NAME}`"),
            ("Application Context Name", f"`{pdu.APPLICATION_CONTEXT}`"),
        ),
    )


TABLES: dict[str, Callable[[], str]] = {
    "implementation": implementation, "services": services, "storage-classes": storage_classes, "private-classes": private_classes,
    "transfer-syntaxes": transfer_syntaxes, "targets": targets, "rejections": rejections, "store-statuses": store_statuses,
    "service-statuses": service_statuses, "kind-statuses": kind_statuses, "keys": keys, "limits": limits, "character-sets": character_sets,
    "web-resources": web_resources, "web-failures": web_failures,
}  # fmt: skip


def filled(text: str) -> str:
    """The page with its tables as the code has them."""
    return _BLOCK.sub(lambda block: block[1] + "\n" + TABLES[block[2]]() + "\n" + block[3], text)


def main() -> int:
    """Write the page, or say that it is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    text = PAGE.read_text()
    new = filled(text)
    if check and new != text:
        print(f"{PAGE}: run tools/conformance.py", file=sys.stderr)
        return 1
    if not check:
        PAGE.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
