"""What a medium holds besides the instances: the DICOMDIR and a word to the person who opens it (PS3.10 8, PS3.3 F)."""

from __future__ import annotations

from collections.abc import Sequence

from archipel import archive
from archipel.archive import InstanceRef
from archipel.dicom import dicomdir, uids
from archipel.dicom.index import SOP_INSTANCE_UID
from archipel.kit.database import Tx
from archipel.kit.scope import Scope

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
    for values in archive.header_values(tx, scope, study_uid):
        number, syntax = syntaxes.get(values.get(SOP_INSTANCE_UID, ("",))[0], (0, ""))
        if number:
            entries.append(dicomdir.Entry(file_id(number), values, syntax))
    entries.sort(key=lambda entry: entry.file_id)
    return dicomdir.build(entries, uid=uids.derived_uid("dicomdir", key))
