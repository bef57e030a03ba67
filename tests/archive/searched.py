"""The objects that searches are tested on: every kind of value, empty, several, odd and of two sites."""

from __future__ import annotations

from pydicom.dataset import Dataset

from tests import make


def code(value: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "99TEST", f"meaning {value}"
    return item


def order(procedure: str) -> Dataset:
    item = Dataset()
    item.RequestedProcedureID, item.ScheduledProcedureStepID = procedure, f"S{procedure}"
    return item


PEOPLE = (
    {"PatientName": "DUPONT^JEAN", "PatientID": "A100", "PatientBirthDate": "19500101", "PatientSex": "M"},
    {"PatientName": "DUPONT-DURAND^Jeanne", "PatientID": "A%00", "PatientBirthDate": "19500131", "PatientSex": "F"},
    {"PatientName": "Müller^Élodie", "PatientID": "A_00", "PatientBirthDate": "19991231", "PatientSex": "F"},
    {"PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう", "PatientID": "a100", "PatientBirthDate": "", "PatientSex": "O"},
    {"PatientName": "O'NEILL^SEAN", "PatientID": "A100B", "PatientBirthDate": "20000229", "PatientSex": ""},
    {"PatientName": "Иванова^Мария", "PatientID": "B\u00e91", "PatientBirthDate": "19640505", "PatientSex": "F"},
)
EXAMS = (
    {"StudyDate": "20260101", "StudyTime": "080000", "AccessionNumber": "ACC1", "StudyDescription": "CT THORAX"},
    {"StudyDate": "20260101", "StudyTime": "0800", "AccessionNumber": "ACC10", "StudyDescription": "CT thorax"},
    {"StudyDate": "20251231", "StudyTime": "235959.999999", "AccessionNumber": "ACC%", "StudyDescription": "50% dose_low"},
    {"StudyDate": "", "StudyTime": "", "AccessionNumber": "", "StudyDescription": "Échographie"},
    {"StudyDate": "20260115", "StudyTime": "101500.5", "AccessionNumber": "A\u00c71", "StudyDescription": ""},
)


def build() -> list[tuple[Dataset, str]]:
    """Objects and the sites that send them; a patient, study or series has the same attributes in all its objects."""
    made: list[tuple[Dataset, str]] = []
    for number in range(12):
        person, exam = PEOPLE[number % len(PEOPLE)], EXAMS[number % len(EXAMS)]
        site = "b" if number % len(PEOPLE) == 1 else "a"
        study_uid = f"1.2.3.{number + 1}"
        study = {
            **person, **exam, "StudyInstanceUID": study_uid, "StudyID": str(number),
            "ReferringPhysicianName": ("LEFÈVRE^Anne", "Lefevre^ANNE", "SMITH^JOHN", "")[number % 4],
            "NameOfPhysiciansReadingStudy": (["Zoë^Kim", "LEE^ANN"], "Zoe^KIM")[number % 2],
            "InstitutionName": ("CHU Nord", "Clinique*", "CHU?")[number % 3], "ProcedureCodeSequence": [code(f"P{number % 3}"), code("PX")],
        }  # fmt: skip
        for s in range(1 + number % 3):
            attributes = {
                "SeriesDescription": ("axial", "AXIAL", "lung_1%")[(number + s) % 3], "BodyPartExamined": ("CHEST", "HEAD")[(number + s) % 2],
                "SeriesDate": "20260101", "SeriesTime": ("10", "1015", "101530", "101530.25")[(number + s) % 4],
                "OperatorsName": ("NUÑEZ^PILAR", "nunez^pilar", "BOND^J")[(number + s) % 3],
                "RequestAttributesSequence": [order(f"R{number % 4}"), order("R9")],
            }  # fmt: skip
            maker = make.ct_study if s != 1 else make.mr_study
            for i, ds in enumerate(maker(instances=2, size=4, **{**study, **attributes})):
                ds.SOPInstanceUID = f"{study_uid}.{s + 1}.{i + 1}"
                ds.InstanceNumber = (3 - i, None)[i if number == 5 else 0]
                ds.SeriesInstanceUID, ds.SeriesNumber = f"{study_uid}.{s + 1}", (None, 2, 10)[s] if number % 4 else s + 1
                ds.ContentTime = ("0930", "093000", "235959")[(number + i) % 3]
                ds.AcquisitionDateTime = ("2026", "20260115", "20260115101500", "20260115101500.123")[(number + s + i) % 4]
                made.append((ds, site))
    return made
