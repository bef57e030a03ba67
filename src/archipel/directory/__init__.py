"""Directory: sites, devices and accounts.

Standards: PS3.8 (AE titles); PS3.15 H (network configuration) for the words
Owns:      directory_site, directory_device, directory_account
Offers:    sites, devices, accounts, ROLES; ensure_default_site, device_for, authenticate
Emits:     nothing
Follows:   nothing
"""

from archipel.directory.accounts import (
    account_named,
    account_of,
    accounts,
    add_account,
    authenticate,
    change_account,
    change_password,
    check_password,
    ensure_first_administrator,
    new_password,
    note_sign_in,
    reset_password,
    set_password,
    verified,
)
from archipel.directory.devices import add_device, change_device, device_for, device_named, devices, remove_device
from archipel.directory.model import ROLES, SERVICES, Account, Device, Role, Site
from archipel.directory.sites import DEFAULT_SITE, add_site, change_site, ensure_default_site, same_region, set_demo, site_named, sites

__all__ = [
    "DEFAULT_SITE", "ROLES", "SERVICES", "Account", "Device", "Role", "Site", "account_named", "account_of", "accounts",
    "add_account", "add_device", "add_site", "authenticate", "change_account", "change_device", "change_password",
    "change_site", "check_password", "device_for", "device_named", "devices", "ensure_default_site",
    "ensure_first_administrator", "new_password", "note_sign_in", "remove_device", "reset_password", "same_region",
    "set_demo", "set_password", "site_named", "sites", "verified",
]  # fmt: skip
