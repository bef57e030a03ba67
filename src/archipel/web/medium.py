"""What a medium holds besides the instances: the DICOMDIR and a word to the person who opens it (PS3.10 8, PS3.12)."""

from __future__ import annotations

from collections.abc import Sequence

from archipel.archive import InstanceRef
from archipel.kit.blobs import Blobs

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


def dicomdir_of(blobs: Blobs, refs: Sequence[InstanceRef]) -> bytes:
    """The DICOMDIR of instances that lie at DICOM/00000001 and so on, in their order."""
    raise NotImplementedError
