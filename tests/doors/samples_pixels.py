"""A second opinion on pixels: each stored object decoded by pydicom with a decoder that the archive does not ask first."""

from __future__ import annotations

import subprocess
import tempfile
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels import pixel_array

from tests.servers import program

Array = NDArray[np.generic]

# The archive decodes with imagecodecs (libjpeg-turbo, CharLS, OpenJPEG, OpenJPH) and, for RLE, with pylibjpeg's.
PLUGINS = {
    "1.2.840.10008.1.2.4.50": "gdcm", "1.2.840.10008.1.2.4.51": "gdcm", "1.2.840.10008.1.2.4.57": "gdcm", "1.2.840.10008.1.2.4.70": "gdcm",
    "1.2.840.10008.1.2.4.80": "gdcm", "1.2.840.10008.1.2.4.81": "gdcm", "1.2.840.10008.1.2.4.90": "pylibjpeg",
    "1.2.840.10008.1.2.4.91": "pylibjpeg", "1.2.840.10008.1.2.4.201": "pylibjpeg", "1.2.840.10008.1.2.4.203": "pylibjpeg",
    "1.2.840.10008.1.2.5": "pydicom",
}  # fmt: skip
DCMTK_DECODERS = {
    **dict.fromkeys(("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55"), "dcmdjpeg"),
    **dict.fromkeys(("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"), "dcmdjpeg"),
    **dict.fromkeys(("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"), "dcmdjpls"),
    "1.2.840.10008.1.2.5": "dcmdrle",
}
# Lossy JPEG alone leaves decoders room: their inverse DCT may differ by one level, and colour conversion rounds once more.
TOLERANCE = dict.fromkeys(("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55"), 2)


def opinions(path: Path) -> list[Array]:
    """The object's samples as others decode them: as they are encoded and in RGB. Empty when nobody can."""
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(path, force=True)
        if "TransferSyntaxUID" not in ds.file_meta:
            implicit, little = ds.original_encoding
            ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.1" if little else "1.2.840.10008.1.2.2"
        for raw in (True, False):
            try:
                found.append(np.asarray(pixel_array(ds, raw=raw, decoding_plugin=PLUGINS.get(ds.file_meta.TransferSyntaxUID, ""))))
            except Exception:
                continue
    tool = DCMTK_DECODERS.get(str(ds.file_meta.TransferSyntaxUID))
    if tool and not found:
        found += _by_dcmtk(tool, path)
    return found


def _by_dcmtk(tool: str, path: Path) -> list[Array]:
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "decoded.dcm"
        options = ["+cn"] if tool == "dcmdjpeg" else []
        done = subprocess.run([program(tool, peer="dcmtk"), *options, str(path), str(made)], capture_output=True, check=False, timeout=60)
        return [samples_of(made.read_bytes())] if done.returncode == 0 else []


def samples_of(data: bytes) -> Array:
    """The samples of an uncompressed file, as they stand in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(pixel_array(pydicom.dcmread(BytesIO(data), force=True), raw=True))


def is_without(path: Path) -> bool:
    """Whether the object has no image in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return not any(keyword in pydicom.dcmread(path, force=True) for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"))


def difference(one: Array, other: Array) -> int:
    """The largest difference of two sets of samples; huge when they do not have the same shape."""
    if one.shape != other.shape:
        return 1 << 40
    if one.dtype.kind == "f":
        return 0 if np.array_equal(one, other, equal_nan=True) else 1 << 40
    return int(np.abs(one.astype(np.int64) - other.astype(np.int64)).max()) if one.size else 0
