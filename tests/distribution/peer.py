"""A real peer: DCMTK's storescp, which writes down what it takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydicom import Dataset, dcmread

from tests.servers import DCMTK_ENVIRONMENT, Dcmtk, Process, free_port


class StoreScp:
    """It listens from the start; ``got`` reads what came."""

    def __init__(self, dcmtk: Dcmtk, folder: Path, options: Sequence[str] = (), port: int = 0) -> None:
        self.folder, self.port = folder, port or free_port()
        folder.mkdir(parents=True)
        argv = dcmtk.command("storescp", *options, "+B", "-od", folder, self.port)
        self._process = Process(argv, folder.with_suffix(".log"), DCMTK_ENVIRONMENT)
        self._process.start(self.port)

    def got(self) -> list[Dataset]:
        """The objects that came, each once."""
        return [dcmread(path) for path in sorted(self.folder.iterdir())]

    def stop(self) -> None:
        """End it."""
        self._process.stop()
