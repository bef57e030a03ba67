"""Throttle: how often a password may be guessed, without anybody's being able to lock the account's owner out.

Strict for one login from one address, loose for a login from everywhere, and for all logins from one address. Where the owner has signed in
lately, what others guess elsewhere holds nobody up.
"""

from __future__ import annotations

import ipaddress
from datetime import timedelta

from archipel.kit.clock import to_text
from archipel.kit.database import Tx
from archipel.kit.errors import LimitReached
from archipel.kit.ids import new_id
from archipel.signin import rows

THROTTLE_S = 900
FAILED_PER_LOGIN_AND_ADDRESS_MAX = 8
FAILED_PER_ADDRESS_MAX = 60
FAILED_PER_LOGIN_MAX = 100
KNOWN_DAYS = 30
IPV6_PREFIX = 64  # what one household or machine has at will


def count_attempt(tx: Tx, login: str, address: str) -> None:
    """Count the attempt as failed before it is tried, one at a time, so that guesses sent together are bounded like guesses in a row.

    LimitReached when there were too many.
    """
    rows.one_at_a_time(tx)
    place, now = _place(address), tx.now()
    failed = rows.failed_attempts(tx, login=login, address=place, since=to_text(now - timedelta(seconds=THROTTLE_S)))
    is_known = rows.has_signed_in(tx, login, place, since=to_text(now - timedelta(days=KNOWN_DAYS)))
    if (
        failed.by_both >= FAILED_PER_LOGIN_AND_ADDRESS_MAX
        or failed.by_address >= FAILED_PER_ADDRESS_MAX
        or (failed.by_login >= FAILED_PER_LOGIN_MAX and not is_known)
    ):
        raise LimitReached("Too many failed sign-ins; wait a quarter of an hour, or ask an administrator.", code="throttled")
    rows.add_attempt(tx, id=new_id(), login=login, address=place, at=to_text(now))


def note_success(tx: Tx, login: str, address: str) -> None:
    """Forget what failed from this address before, remember the address, and drop what is too old to count."""
    place, now = _place(address), tx.now()
    rows.clear_attempts(tx, login, place)
    rows.add_attempt(tx, id=new_id(), login=login, address=place, at=to_text(now), count=0)
    rows.sweep_attempts(tx, to_text(now - timedelta(seconds=THROTTLE_S)), known_before=to_text(now - timedelta(days=KNOWN_DAYS)))


def forget_attempts(tx: Tx, login: str, address: str) -> None:
    """Forget what failed, without remembering the address."""
    rows.clear_attempts(tx, login, _place(address))


def _place(address: str) -> str:
    """What counts as one address: IPv4 by itself, IPv6 by its network."""
    try:
        parsed = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, IPV6_PREFIX), strict=False))
