"""The invented region: its sites, their devices, the accounts and the people who are examined. Data only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DemoSite:
    """A member of the region. ``issuer`` is the assigning authority of its Patient IDs; ``services`` are switched on there."""

    id: str
    name: str
    kind: str
    issuer: str
    services: tuple[str, ...] = ("archive",)


@dataclass(frozen=True)
class DemoDevice:
    """A DICOM node of a site. The addresses are of TEST-NET-1 (RFC 5737): nothing can ever be sent there."""

    aet: str
    host: str
    port: int
    site_id: str
    description: str


@dataclass(frozen=True)
class DemoAccount:
    login: str
    name: str
    role: str
    site_id: str
    locale: str = "fr"


@dataclass(frozen=True)
class Person:
    """A patient who does not exist. ``birth`` is a DICOM date; ``charset`` a Specific Character Set."""

    id: str
    name: str
    sex: str
    birth: str
    weight_kg: float = 72.0
    size_m: float = 1.70
    charset: str = "ISO_IR 192"


# Every account of the demo has this password; a platform with the demo loaded says so on its sign-in page.
DEMO_PASSWORD = "archipel-demo"  # noqa: S105 public by intent

SITES = (
    DemoSite("chu-port-alize", "CHU de Port-Alizé (démo)", "hospital", "DEMO-CHU-PORT-ALIZE"),
    DemoSite("ch-roche-blanche", "Centre hospitalier de Roche-Blanche (démo)", "hospital", "DEMO-CH-ROCHE-BLANCHE"),
    DemoSite("hopital-anse-verte", "Hôpital local de l'Anse-Verte (démo)", "hospital", "DEMO-HL-ANSE-VERTE"),
    DemoSite("cabinet-des-salines", "Cabinet d'imagerie des Salines (démo)", "practice", "DEMO-CAB-SALINES"),
    DemoSite("depistage-archipel", "Centre régional de dépistage (démo)", "screening_centre", "DEMO-DEPISTAGE"),
)

DEVICES = (
    DemoDevice("CHU_CT1", "192.0.2.11", 104, "chu-port-alize", "Scanner 1"),
    DemoDevice("CHU_MR1", "192.0.2.12", 104, "chu-port-alize", "IRM 1,5 T"),
    DemoDevice("CHU_PET", "192.0.2.13", 104, "chu-port-alize", "TEP-TDM"),
    DemoDevice("CHU_ECG", "192.0.2.14", 104, "chu-port-alize", "Électrocardiographe"),
    DemoDevice("CHU_PACS", "192.0.2.15", 11112, "chu-port-alize", "PACS du CHU"),
    DemoDevice("CHRB_CT1", "192.0.2.21", 104, "ch-roche-blanche", "Scanner des urgences"),
    DemoDevice("CHRB_DX1", "192.0.2.22", 104, "ch-roche-blanche", "Salle de radiologie"),
    DemoDevice("HLAV_DX1", "192.0.2.31", 104, "hopital-anse-verte", "Radiologie mobile"),
    DemoDevice("SALINES_US1", "192.0.2.41", 104, "cabinet-des-salines", "Échographe"),
    DemoDevice("SALINES_CR1", "192.0.2.42", 104, "cabinet-des-salines", "Plaques phosphore"),
    DemoDevice("DEPIST_MG1", "192.0.2.51", 104, "depistage-archipel", "Mammographe 1"),
    DemoDevice("DEPIST_MG2", "192.0.2.52", 104, "depistage-archipel", "Mammographe du camion"),
)

ACCOUNTS = (
    DemoAccount("demo-admin", "Administration régionale (démo)", "administrator", "chu-port-alize"),
    DemoAccount("demo-admin-site", "Administration du CHU (démo)", "site_administrator", "chu-port-alize"),
    DemoAccount("demo-radiologue", "Dr Camille Rivière (démo)", "radiologist", "chu-port-alize"),
    DemoAccount("demo-manip", "Noé Lagarde, manipulateur (démo)", "technician", "ch-roche-blanche"),
    DemoAccount("demo-demandeur", "Dr Inès Valmont, urgences (démo)", "requesting_doctor", "ch-roche-blanche"),
    DemoAccount("demo-physicien", "Paul Estève, physicien médical (démo)", "physicist", "chu-port-alize"),
    DemoAccount("demo-biomedical", "Sara Belmont, ingénieure biomédicale (démo)", "biomedical_engineer", "depistage-archipel"),
    DemoAccount("demo-archive", "Archive, scripts (démo)", "archive_operator", "chu-port-alize"),
    DemoAccount("demo-radiologist", "Dr Alex Morgan (demo)", "radiologist", "ch-roche-blanche", "en"),
)

LATIN1 = "ISO_IR 100"

PEOPLE = {
    "dupont": Person("DEMO-PA-0001", "DEMO-DUPONT^Jeanne", "F", "19570412", 64, 1.62),
    "lefevre": Person("DEMO-PA-0002", "DEMO-LEFÈVRE^Aurélien", "M", "19490930", 81, 1.76, LATIN1),
    "bernard": Person("DEMO-PA-0003", "DEMO-BERNARD^Sophie", "F", "19680117", 70, 1.68),
    "nguyen": Person("DEMO-PA-0004", "DEMO-NGUYEN^Minh-Châu", "F", "19820705", 52, 1.57),
    "petit": Person("DEMO-RB-0001", "DEMO-PETIT^Émile", "M", "19350228", 68, 1.70, LATIN1),
    "haddad": Person("DEMO-RB-0002", "DEMO-HADDAD^Karim", "M", "19910313", 84, 1.82),
    "roux": Person("DEMO-RB-0003", "DEMO-ROUX^Hélène", "F", "20040821", 58, 1.65),
    "fontaine": Person("DEMO-AV-0001", "DEMO-FONTAINE^Lucien", "M", "19410605", 77, 1.71, LATIN1),
    "payet": Person("DEMO-AV-0002", "DEMO-PAYET^Marie-Rose", "F", "19600110", 73, 1.60),
    "garcia": Person("DEMO-SA-0001", "DEMO-GARCÍA^Lucía", "F", "19950502", 61, 1.66),
    "martin": Person("DEMO-SA-0002", "DEMO-MARTIN^Théo", "M", "20120919", 34, 1.40),
    "leroy": Person("DEMO-DP-0001", "DEMO-LEROY^Françoise", "F", "19640226", 66, 1.63),
    "morel": Person("DEMO-DP-0002", "DEMO-MOREL^Nathalie", "F", "19700808", 71, 1.67),
    "klein": Person("DEMO-DP-0003", "DEMO-KLEIN^Ursula", "F", "19610330", 79, 1.70),
}

# The same Patient ID, at the same site, under another name: what a wrong selection in the modality's work list does.
WRONG_NAME = Person("DEMO-PA-0003", "DEMO-BERTRAND^Sylvie", "F", "19680711", 70, 1.68)


def site(site_id: str) -> DemoSite:
    """The demo's site of that id."""
    return next(found for found in SITES if found.id == site_id)
