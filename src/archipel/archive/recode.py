"""Recode: a stored instance in another transfer syntax, for a peer that does not take the stored one."""

from __future__ import annotations

from pathlib import Path

from archipel.archive.model import InstanceRef
from archipel.archive.retrieve import dataset
from archipel.dicom.pixels import PixelWorkers
from archipel.kit.blobs import Blobs
from archipel.kit.ids import new_id


class Recoder:
    """Transcodes stored instances in the pixel workers, through files in a folder of this process."""

    def __init__(self, workers: PixelWorkers, folder: Path) -> None:
        self._workers = workers
        self._folder = folder

    def transcode(self, blobs: Blobs, ref: InstanceRef, to: str) -> Path:
        """Write the dataset in the syntax ``to`` into a new file, which the caller deletes. Raises what the workers raise."""
        stored = copy_dataset(blobs, ref, self._folder)
        out = self._folder / new_id()
        try:
            self._workers.transcode(stored, ref.transfer_syntax_uid, to, out)
        finally:
            stored.unlink()
        return out


def copy_dataset(blobs: Blobs, ref: InstanceRef, folder: Path) -> Path:
    """The dataset as sent, in a new file of its own; the caller deletes it."""
    path = folder / new_id()
    with path.open("xb") as file:
        file.writelines(dataset(blobs, ref))
    return path
