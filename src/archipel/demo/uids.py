"""UIDs and random numbers that are the same on every run."""

from __future__ import annotations

import hashlib

import numpy as np


def uid(edition: str, *names: str | int) -> str:
    """A UID of the form 2.25.<UUID> (PS3.5 B.2) derived from names and from the edition of the demo.

    The edition belongs to it: the same exam told relative to another day has other dates, so it must not carry the same UIDs.
    """
    digest = hashlib.sha256("/".join([edition, *map(str, names)]).encode()).digest()[:16]
    number = int.from_bytes(digest, "big")
    number = (number & ~(0xF << 76)) | (0x8 << 76)  # version 8: made up by its owner (RFC 9562)
    number = (number & ~(0x3 << 62)) | (0x2 << 62)
    return f"2.25.{number}"


def generator(*names: str | int) -> np.random.Generator:
    """A generator of random numbers seeded by names alone."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256("/".join(map(str, names)).encode()).digest()[:8], "big"))
