"""Sharing: who may do what, and who may see which exams.

Standards: IHE BPPC and PS3.15 for the words; the rule itself is ours
Owns:      nothing yet
Offers:    scope_for, may, require, permissions_of
Emits:     nothing
Follows:   nothing
"""

from archipel.sharing.permissions import PERMISSIONS, may, permissions_of, require, roles
from archipel.sharing.scope import reaches_site, scope_for, visible_site_ids

__all__ = ["PERMISSIONS", "may", "permissions_of", "reaches_site", "require", "roles", "scope_for", "visible_site_ids"]
