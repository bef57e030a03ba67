"""C-ECHO (PS3.4 Annex A, PS3.7 9.1.5)."""

from __future__ import annotations

from archipel.dicom import sop_classes, status
from archipel.dicom.message import Command
from archipel.dimse.association import Association
from archipel.dimse.negotiation import Context
from archipel.dimse.parts import Parts


async def answer(parts: Parts, assoc: Association, context: Context, command: Command) -> None:
    """Say that we are here."""
    await assoc.skip_dataset()
    known = context.abstract_syntax == sop_classes.VERIFICATION
    await assoc.answer(context, command, status.SUCCESS if known else status.CLASS_NOT_SUPPORTED)
