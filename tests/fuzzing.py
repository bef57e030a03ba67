"""Fuzz in two lengths: seconds in `make test`, as long as FUZZ_SECONDS says in `make fuzz`."""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

FUZZ_SECONDS = float(os.environ.get("ARCHIPEL_TEST_FUZZ_SECONDS", "60"))
LONG = (pytest.mark.fuzz, pytest.mark.timeout(FUZZ_SECONDS + 180))


def short_and_long(short_s: float) -> Any:
    """The test runs with ``seconds=short_s`` always, and with FUZZ_SECONDS under the mark ``fuzz``."""
    return pytest.mark.parametrize("seconds", [short_s, pytest.param(FUZZ_SECONDS, marks=LONG)], ids=["short", "long"])


def seeded(seconds: float, fixed: int) -> random.Random:
    """Chance that repeats itself in the short form; in the long one a new seed, printed, or the one of ARCHIPEL_TEST_FUZZ_SEED."""
    given = os.environ.get("ARCHIPEL_TEST_FUZZ_SEED")
    seed = int(given) if given else fixed if seconds < FUZZ_SECONDS else random.randrange(2**32)
    print(f"fuzz seed {seed}")
    return random.Random(seed)


def damaged(data: bytes, chance: random.Random, changes_max: int = 8) -> bytes:
    """The bytes with some of them changed, cut out, doubled or replaced by lengths that lie."""
    out = bytearray(data)
    for _ in range(chance.randrange(1, changes_max + 1)):
        at = chance.randrange(len(out) + 1)
        match chance.randrange(6):
            case 0 | 1 if at < len(out):
                out[at] = chance.randrange(256)
            case 2:
                del out[at : at + chance.randrange(1, 64)]
            case 3:
                out[at:at] = out[at : at + chance.randrange(1, 200)]
            case 4:
                out[at : at + 4] = chance.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\r\n--"])
            case _:
                del out[len(out) - chance.randrange(min(len(out), 300) + 1) :]
    return bytes(out)
