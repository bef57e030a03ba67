"""Codes: what each act is in the words of PS3.16 (CID 400 audit events, CID 401 their types), and which policy keeps it."""

from __future__ import annotations

from dataclasses import dataclass

# The meanings of PS3.16 Annex D that are used here.
MEANINGS = {
    "110100": "Application Activity", "110101": "Audit Log Used", "110103": "DICOM Instances Accessed",
    "110104": "DICOM Instances Transferred", "110105": "DICOM Study Deleted", "110106": "Export", "110107": "Import",
    "110110": "Patient Record", "110111": "Procedure Record", "110112": "Query", "110113": "Security Alert",
    "110114": "User Authentication", "110122": "Login", "110123": "Logout", "110127": "Emergency Override Started",
    "110128": "Network Configuration", "110131": "Software Configuration", "110135": "Object Security Attributes Changed",
    "110136": "Security Roles Changed", "110137": "User Security Attributes Changed", "110138": "Emergency Override Stopped",
    "110150": "Application", "110152": "Destination Role ID", "110153": "Source Role ID", "110180": "Study Instance UID",
}  # fmt: skip


@dataclass(frozen=True)
class Event:
    """An EventID, its EventTypeCode if it has one, and the EventActionCode (C, R, U, D or E; PS3.15 A.5.2)."""

    id: str
    action: str
    type: str = ""


_USER = Event("110113", "U", "110137")
_NETWORK = Event("110113", "U", "110128")
_BY_ACTION = {
    "archive.receive": Event("110104", "C"), "archive.query": Event("110112", "E"), "archive.retrieve": Event("110104", "R"),
    "archive.open": Event("110103", "R"), "archive.download": Event("110106", "R"), "archive.export": Event("110106", "R"),
    "archive.reject": Event("110105", "D"), "archive.import": Event("110107", "C"),
    "audit.remove": Event("110101", "D"),
    "directory.add_site": _NETWORK, "directory.change_site": _NETWORK, "directory.add_device": _NETWORK,
    "directory.remove_device": _NETWORK, "directory.add_hl7_peer": _NETWORK, "directory.remove_hl7_peer": _NETWORK,
    "identity.query": Event("110112", "E"),
    "signin.sign_in": Event("110114", "E", "110122"), "signin.sign_out": Event("110114", "E", "110123"),
    "sharing.break_glass": Event("110113", "E", "110127"), "sharing.end_break_glass": Event("110113", "E", "110138"),
}  # fmt: skip
_BY_ROOM = {
    "archive": Event("110103", "U"), "audit": Event("110101", "R"), "directory": _USER, "signin": _USER,
    "identity": Event("110110", "U"), "mllp": Event("110110", "U"), "dimse": Event("110104", "R"),
    "distribution": Event("110104", "R"), "procedure": Event("110111", "U"), "reporting": Event("110111", "U"),
    "sharing": Event("110113", "U", "110135"), "system": Event("110113", "U", "110131"),
}  # fmt: skip
_ELSE = Event("110100", "E")

# Reading, as opposed to acts on the content of a record or on the platform: each kind has its own time in [audit].
ACCESSES = (
    "archive.download", "archive.export", "archive.open", "archive.query", "archive.retrieve", "audit.export", "audit.search",
    "dimse.move", "dimse.send", "identity.query", "signin.log_out", "signin.second_factor", "signin.sign_in",
    "signin.sign_out",
)  # fmt: skip


def event_of(action: str) -> Event:
    """The event that an act is; one that has no line of its own is what its room does."""
    return _BY_ACTION.get(action) or _BY_ROOM.get(action.partition(".")[0], _ELSE)
