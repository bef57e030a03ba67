"""The small demo region, made once for all tests of this folder."""

from __future__ import annotations

import io
from datetime import date

import pytest
from pydicom import dcmread
from pydicom.dataset import FileDataset

from archipel.demo import demo_exams

TODAY = date(2026, 1, 15)

Made = dict[str, list[tuple[bytes, FileDataset]]]


@pytest.fixture(scope="session")
def region() -> Made:
    """Exam name -> its files as bytes and as datasets."""
    return {
        exam.name: [(content, dcmread(io.BytesIO(content))) for content in exam.files] for exam in demo_exams(TODAY, small=True)
    }  # fmt: skip
