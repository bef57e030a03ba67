"""What a medium holds besides the instances: the DICOMDIR and a word to the person who opens it (PS3.10 8, PS3.3 F)."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

from archipel import archive
from archipel.archive import InstanceRef, Level, Query
from archipel.dicom import dicomdir, part10, uids
from archipel.dicom.index import SOP_INSTANCE_UID, STUDY_INSTANCE_UID
from archipel.kit.database import Tx
from archipel.kit.scope import Scope

PAGE_COUNT = 1000
_README = """\
This folder holds medical images in DICOM format, as they were archived, with a DICOMDIR.
Open it with a DICOM viewer: choose the file DICOMDIR or the whole folder.

Ce dossier contient des images medicales au format DICOM, telles qu'elles ont ete archivees, avec un DICOMDIR.
Ouvrez-le avec un logiciel de visualisation DICOM : choisissez le fichier DICOMDIR ou tout le dossier.
"""
_SYNTHETIC = """\

SYNTHETIC: made for training, of no real person.
SYNTHETIQUE : fabrique pour la formation, ne concerne aucune personne reelle.
"""


def readme(demo: bool) -> bytes:
    """The README of a medium, with a note on training data."""
    return (_README + (_SYNTHETIC if demo else "")).replace("\n", "\r\n").encode("ascii")


def file_id(number: int) -> tuple[str, str]:
    """The name of the n-th instance on the medium, in components."""
    return "DICOM", f"{number:08d}"


def dicomdir_of(tx: Tx, scope: Scope, study_uid: str, refs: Sequence[InstanceRef], key: str) -> bytes:
    """The DICOMDIR of an exam's instances, from the index; the same bytes each time for the same ``key``."""
    syntaxes = {ref.sop_instance_uid: (number, ref.transfer_syntax_uid) for number, ref in enumerate(refs, 1)}
    entries = []
    for values in _headers(tx, scope, study_uid):
        number, syntax = syntaxes.get(values.get(SOP_INSTANCE_UID, ("",))[0], (0, ""))
        if number:
            entries.append(dicomdir.Entry(file_id(number), values, syntax))
    entries.sort(key=lambda entry: entry.file_id)
    made = dicomdir.build(entries)
    return _named(made, uids.derived_uid("dicomdir", key))


def _headers(tx: Tx, scope: Scope, study_uid: str) -> Iterator[dict[str, tuple[str, ...]]]:
    offset, more = 0, True
    while more:
        page = archive.find(tx, scope, Query(Level.IMAGE, {STUDY_INSTANCE_UID: study_uid}, None, limit=PAGE_COUNT, offset=offset))
        yield from (dict(_flat(row, "")) for row in page.rows)
        offset, more = offset + PAGE_COUNT, page.more


def _flat(row: dict[str, Any], prefix: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """DICOM JSON as texts by path; of a sequence the first item."""
    for tag, element in row.items():
        values = element.get("Value", [])
        if element["vr"] == "SQ":
            yield from _flat(values[0], f"{prefix}{tag}.") if values else ()
        else:
            yield prefix + tag, tuple(_text(value) for value in values)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "=".join(value.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")).rstrip("=")
    return "" if value is None else str(value)


def _named(file: bytes, uid: str) -> bytes:
    """The file under a UID that its content decides: a resumed download must meet the same bytes again."""
    meta = part10.split(io.BytesIO(file))
    random, chosen = meta.sop_instance_uid.encode(), uid.encode()
    length = len(random) + len(random) % 2
    return file.replace(random.ljust(length, b"\0"), chosen[:length].ljust(length, b"\0"), 1)
