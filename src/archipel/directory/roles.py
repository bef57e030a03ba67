"""Roles: what a person or a script is, as a token, and its name in French and English."""

from __future__ import annotations

from enum import StrEnum

from archipel.kit.errors import Invalid


class Role(StrEnum):
    """What a person or a script is, as a token."""

    ADMINISTRATOR = "administrator"
    SITE_ADMINISTRATOR = "site_administrator"
    RADIOLOGIST = "radiologist"
    TELERADIOLOGIST = "teleradiologist"
    TECHNICIAN = "technician"
    NURSE = "nurse"
    REQUESTING_DOCTOR = "requesting_doctor"
    TOWN_DOCTOR = "town_doctor"
    PHYSICIST = "physicist"
    BIOMEDICAL_ENGINEER = "biomedical_engineer"
    SECRETARY = "secretary"
    FRONT_DESK = "front_desk"
    ROTA_COORDINATOR = "rota_coordinator"
    MEDICAL_COMMISSION_MEMBER = "medical_commission_member"
    SCREENING_COORDINATOR = "screening_coordinator"
    SCREENING_PHYSICIAN = "screening_physician"
    FIRST_READER = "first_reader"
    SECOND_READER = "second_reader"
    IDENTITY_OFFICER = "identity_officer"
    AUDITOR = "auditor"
    ACCOUNTANT = "accountant"
    ARCHIVE_OPERATOR = "archive_operator"
    APPLICATION = "application"
    PATIENT = "patient"
    GUARDIAN = "guardian"


ROLES = tuple(role.value for role in Role)

# French, English.
ROLE_NAMES: dict[str, tuple[str, str]] = {
    Role.ADMINISTRATOR: ("Administrateur", "Administrator"),
    Role.SITE_ADMINISTRATOR: ("Administrateur de site", "Site administrator"),
    Role.RADIOLOGIST: ("Radiologue", "Radiologist"),
    Role.TELERADIOLOGIST: ("Téléradiologue", "Teleradiologist"),
    Role.TECHNICIAN: ("Manipulateur", "Technician"),
    Role.NURSE: ("Infirmier", "Nurse"),
    Role.REQUESTING_DOCTOR: ("Médecin demandeur", "Requesting doctor"),
    Role.TOWN_DOCTOR: ("Médecin de ville", "Town doctor"),
    Role.PHYSICIST: ("Physicien médical", "Medical physicist"),
    Role.BIOMEDICAL_ENGINEER: ("Ingénieur biomédical", "Biomedical engineer"),
    Role.SECRETARY: ("Secrétaire", "Secretary"),
    Role.FRONT_DESK: ("Accueil", "Front desk"),
    Role.ROTA_COORDINATOR: ("Responsable du tableau de garde", "Rota coordinator"),
    Role.MEDICAL_COMMISSION_MEMBER: ("Membre de la commission médicale", "Medical commission member"),
    Role.SCREENING_COORDINATOR: ("Coordinateur du dépistage", "Screening coordinator"),
    Role.SCREENING_PHYSICIAN: ("Médecin du dépistage", "Screening physician"),
    Role.FIRST_READER: ("Premier lecteur", "First reader"),
    Role.SECOND_READER: ("Second lecteur", "Second reader"),
    Role.IDENTITY_OFFICER: ("Référent d’identitovigilance", "Identity officer"),
    Role.AUDITOR: ("Auditeur", "Auditor"),
    Role.ACCOUNTANT: ("Comptable", "Accountant"),
    Role.ARCHIVE_OPERATOR: ("Opérateur d’archive", "Archive operator"),
    Role.APPLICATION: ("Application", "Application"),
    Role.PATIENT: ("Patient", "Patient"),
    Role.GUARDIAN: ("Représentant légal", "Guardian"),
}


def check_role(role: str) -> str:
    """The role, or Invalid with the tokens that exist."""
    if role not in ROLES:
        raise Invalid(f"There is no role {role!r}; there are: {', '.join(ROLES)}.", code="role", field="role")
    return role
