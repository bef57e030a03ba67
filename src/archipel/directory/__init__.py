"""Directory: sites, devices, accounts; structures and professionals; controls of devices.

Standards: PS3.8 (AE titles); PS3.15 H (network configuration) for the words; HL7 v2 MSH-3, MSH-4
Owns:      directory_site, directory_device, directory_account, directory_hl7_peer, directory_structure, directory_unit,
           directory_professional, directory_membership, directory_control
Offers:    sites, devices, hl7_peers, accounts, people, controls, sheets, ROLES; is_stopped, ensure_default_site, device_for,
           hl7_peers_at, authenticate
Emits:     nothing
Follows:   nothing
"""

from archipel.directory import controls, people, sheets, value_sets

from archipel.directory.accounts import (  # isort: skip
    account_named, account_of, account_of_rpps, accounts, add_account, authenticate, change_account, change_password, check_password,
    ensure_first_administrator, new_password, note_sign_in, reset_password, set_password, verified,
)  # fmt: skip
from archipel.directory.controls import is_stopped
from archipel.directory.devices import add_device, change_device, device_for, device_named, devices, remove_device
from archipel.directory.hl7_peers import add_hl7_peer, change_hl7_peer, hl7_peer_named, hl7_peers, hl7_peers_at, remove_hl7_peer, sender
from archipel.directory.model import SERVICES, Account, Control, Device, Hl7Peer, Membership, Professional, Site, Structure, Unit
from archipel.directory.roles import ROLE_NAMES, ROLES, Role
from archipel.directory.sites import DEFAULT_SITE, add_site, change_site, ensure_default_site, same_region, set_demo, site_named, sites

__all__ = [
    "DEFAULT_SITE", "ROLES", "ROLE_NAMES", "SERVICES", "Account", "Control", "Device", "Hl7Peer", "Membership", "Professional", "Role",
    "Site", "Structure", "Unit", "account_named", "account_of", "account_of_rpps", "accounts", "add_account", "add_device", "add_hl7_peer",
    "add_site", "authenticate", "change_account", "change_device", "change_hl7_peer", "change_password", "change_site", "check_password",
    "controls", "device_for", "device_named", "devices", "ensure_default_site", "ensure_first_administrator", "hl7_peer_named", "hl7_peers",
    "hl7_peers_at", "is_stopped", "new_password", "note_sign_in", "people", "remove_device", "remove_hl7_peer", "reset_password",
    "same_region", "sender", "set_demo", "set_password", "sheets", "site_named", "sites", "value_sets", "verified",
]  # fmt: skip
