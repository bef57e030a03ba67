"""Bytes that were lost come back when the same instance is sent again, by either door."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from pydicom.dataset import Dataset

from tests import make
from tests.flows.test_first_road import Door, store
from tests.platform import Platform


def by_store(platform: Platform, _: str, ds: Dataset) -> None:
    """C-STORE."""
    store(Door(platform.dicom_port, platform.aet), [ds])


def by_stow(platform: Platform, token: str, ds: Dataset) -> None:
    """STOW-RS."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/dicom", "Accept": "application/dicom+json"}
    answer = httpx.post(f"{platform.url}/dicom-web/studies", content=make.part10(ds), headers=headers, timeout=30)
    assert answer.status_code == 200


def flip(path: Path) -> None:
    """One bit of the last byte."""
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def lose(path: Path) -> None:
    """The whole blob."""
    path.unlink()


@pytest.mark.parametrize("damage", [flip, lose])
@pytest.mark.parametrize("again", [by_store, by_stow])
def test_an_identical_instance_mends_what_was_lost(
    platform: Platform, again: Callable[[Platform, str, Dataset], None], damage: Callable[[Path], None]
) -> None:
    platform.device("MODALITY")
    token = platform.token()
    platform.start()
    (ds,) = make.ct_study(instances=1)
    by_stow(platform, token, ds)
    (blob,) = [path for path in (platform.data / "blobs" / "received").rglob("*") if path.is_file()]
    damage(blob)
    assert platform.command("verify", check=False).returncode != 0
    again(platform, token, ds)
    assert platform.command("verify").returncode == 0
