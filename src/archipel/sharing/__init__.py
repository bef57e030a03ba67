"""Sharing: who may do what, and who may see which exams.

Standards: IHE BPPC and PS3.15 for the words; the rule itself is ours
Owns:      nothing yet
Offers:    scope_for, trace_scope_for, reaches_site, check_destination, may_receive, check_device_host, require_device_change,
           require_store, may, require, require_whole, rights_of, token_scope, permissions_of
Emits:     nothing
Follows:   nothing
"""

from archipel.sharing.permissions import (
    PERMISSIONS,
    TOKEN_SCOPES,
    may,
    permissions_of,
    require,
    require_whole,
    rights_of,
    roles,
    token_scope,
)
from archipel.sharing.scope import (
    check_destination,
    check_device_host,
    may_receive,
    reaches_site,
    require_device_change,
    require_store,
    require_store_at,
    scope_for,
    trace_scope_for,
    visible_site_ids,
)

__all__ = [
    "PERMISSIONS", "TOKEN_SCOPES", "check_destination", "check_device_host", "may", "may_receive", "permissions_of", "reaches_site",
    "require", "require_device_change", "require_store", "require_store_at", "require_whole", "rights_of", "roles", "scope_for",
    "token_scope", "trace_scope_for", "visible_site_ids",
]  # fmt: skip
