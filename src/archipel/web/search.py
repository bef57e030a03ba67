"""The exam list's filters as a query of the archive."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import Query as QueryParam
from pydantic import BaseModel, ConfigDict, Field

from archipel import archive
from archipel.archive import Level, Query
from archipel.dicom import text
from archipel.dicom.index import path_of
from archipel.kit.errors import Invalid
from archipel.web.words import Cursor, Text, Word, place_of

SORTS = (
    "study_date", "patient_name", "received_at", "birth_date", "patient_id", "accession_number", "description", "site", "modality",
    "instance_count",
)  # fmt: skip
WORD_COUNT_MAX = 8
PATIENT_NAME, PATIENT_ID, BIRTH_DATE = path_of("PatientName"), path_of("PatientID"), path_of("PatientBirthDate")
ACCESSION_NUMBER, STUDY_DATE = path_of("AccessionNumber"), path_of("StudyDate")
MODALITIES, DESCRIPTION = path_of("ModalitiesInStudy"), path_of("StudyDescription")


class Filters(BaseModel):
    """What narrows the list of exams; everything that is given must hold. Case and accents do not matter."""

    model_config = ConfigDict(extra="ignore")

    search: Text = Field("", description="Words, each of them in the name, Patient ID, accession number or description.")
    patient_name: Text = Field("", description="Beginnings of the parts of the name, in any order.")
    patient_id: Text = Field("", description="Beginning of the Patient ID; * and ? are wildcards.")
    birth_date: date | None = Field(None, description="Date of birth.")
    accession_number: Text = Field("", description="Beginning of the accession number; * and ? are wildcards.")
    date_from: date | None = Field(None, description="First study date.")
    date_to: date | None = Field(None, description="Last study date.")
    modality: Annotated[list[Word], Field(max_length=30)] = Field([], description="One of these modalities; may be given several times.")
    description: Text = Field("", description="Part of the study description.")
    site_id: Text = Field("", description="The site that the exam belongs to.")
    flagged: bool = Field(False, description="Only exams that need a person's eye.")
    include_rejected: bool = Field(False, description="Rejected exams too.")
    sort: Text = Field("-study_date", description=f"{', '.join(SORTS)}; - before it for descending.")
    limit: int = Field(50, ge=1, le=200, description="Rows of a page.")
    cursor: Cursor = Field("", description="next_cursor of the page before.")


ExamFilters = Annotated[Filters, QueryParam()]


def query_of(filters: Filters) -> Query:
    """The archive's query; Invalid for an order or a cursor that does not exist."""
    if filters.sort.removeprefix("-") not in SORTS:
        raise Invalid(f"The list is sorted by {', '.join(SORTS)}.", code="sort", field="sort")
    offset, after = place_of(filters.cursor, filters.sort)
    return archive.Query(
        Level.STUDY,
        match=_match(filters),
        fuzzy=True,
        folded=True,
        words=tuple(word for word in filters.search.split() if text.fold(word))[:WORD_COUNT_MAX],
        site_id=filters.site_id,
        flagged=filters.flagged,
        include_rejected=filters.include_rejected,
        limit=filters.limit,
        offset=offset,
        after=after,
        order=(filters.sort,),
        count_total=True,
    )


def _match(filters: Filters) -> dict[str, str]:
    match = {
        PATIENT_NAME: filters.patient_name if text.fold(filters.patient_name) else "",
        PATIENT_ID: _beginning(filters.patient_id),
        BIRTH_DATE: _day(filters.birth_date),
        ACCESSION_NUMBER: _beginning(filters.accession_number),
        STUDY_DATE: _range(filters.date_from, filters.date_to),
        MODALITIES: "\\".join(one.upper().replace("\\", "") for one in filters.modality),
        DESCRIPTION: filters.description if text.fold(filters.description) else "",
    }
    return {path: value for path, value in match.items() if value}


def _beginning(value: str) -> str:
    """What was typed as the beginning of a value, unless it has wildcards of its own; a backslash would separate values."""
    value = value.replace("\\", "").strip()
    return value if not value or text.has_wildcard(value) else value + "*"


def _day(day: date | None) -> str:
    return day.strftime("%Y%m%d").zfill(8) if day else ""


def _range(first: date | None, last: date | None) -> str:
    if first and last and first > last:
        raise Invalid("The first date is after the last.", code="date-range", field="date_from")
    return f"{_day(first)}-{_day(last)}" if first or last else ""
