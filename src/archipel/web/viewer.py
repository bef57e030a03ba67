"""Viewer: the address at which OHIF opens an exam as its reader wants to see it."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import RedirectResponse

from archipel import archive
from archipel.archive import Exam, Level, Query
from archipel.dicom.index import path_of
from archipel.kit.database import Tx
from archipel.kit.scope import Scope
from archipel.web.errors import DoorRoute
from archipel.web.parts import Reader
from archipel.web.words import StudyPath

router = APIRouter(route_class=DoorRoute, tags=["exams"])
PATIENT_ID, ISSUER, MODALITIES, STUDY_DATE = map(path_of, ("PatientID", "IssuerOfPatientID", "ModalitiesInStudy", "StudyDate"))


@router.get("/exams/{study_uid}/viewer", summary="Open an exam in the viewer", status_code=307, response_class=RedirectResponse)
def open_viewer(study_uid: StudyPath, call: Reader, locale: Literal["fr", "en"] = "fr") -> RedirectResponse:
    """Redirects to OHIF: a mammography beside the newest one before it, PET-CT fused, anything else as it is."""
    with call.database.read() as tx:
        scope = call.scope(tx, "care")
        exam = archive.exam(tx, scope, study_uid)
        prior = _prior_mammography(tx, scope, exam) if "MG" in exam.modalities else None
    mode = "tmtv" if {"PT", "CT"} <= set(exam.modalities) else "viewer"
    studies = ",".join(filter(None, (study_uid, prior)))
    return RedirectResponse(f"/ohif/{mode}?{urlencode({'StudyInstanceUIDs': studies, 'lng': locale}, safe=',')}")


def _prior_mammography(tx: Tx, scope: Scope, exam: Exam) -> str | None:
    """The newest earlier mammography of the same patient that the reader may see."""
    if not exam.patient_id or not exam.study_date:
        return None
    match = {PATIENT_ID: exam.patient_id, ISSUER: exam.issuer, MODALITIES: "MG", STUDY_DATE: f"-{exam.study_date}"}
    earlier, _, _ = archive.exams(tx, scope, Query(Level.STUDY, match, limit=20))
    return next((one.study_uid for one in earlier if one.study_date < exam.study_date), None)
