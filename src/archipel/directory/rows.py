"""SQL of the directory room."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, bindparam, delete, false, insert, select, text, update

from archipel.directory.model import Account, Device, Site
from archipel.directory.roles import Role
from archipel.kit.database import Tx
from archipel.kit.prepared import Prepared
from archipel.kit.rows import insert_new, metadata

site = Table(
    "directory_site",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("issuer", String(64), nullable=False),
    Column("services", String(200), nullable=False),
    Column("time_zone", String(60), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("demo", Boolean, nullable=False),
    Column("second_factor_roles", String(1000), server_default=text("''"), nullable=False),
    Column("finess", String(9), server_default=text("''"), nullable=False),
)

device = Table(
    "directory_device",
    metadata,
    Column("ae_title", String(16), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("port", Integer, nullable=False),
    Column("site_id", String(64), ForeignKey("directory_site.id"), nullable=False),
    Column("description", String(200), nullable=False),
    Column("tls", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("receives_rejections", Boolean, server_default=false(), nullable=False),
    Column("receives_from_other_sites", Boolean, server_default=false(), nullable=False),
    Index(None, "site_id"),
)

account = Table(
    "directory_account",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("login", String(64), nullable=False, unique=True),
    Column("name", String(120), nullable=False),
    Column("role", String(40), nullable=False),
    Column("site_id", String(64), ForeignKey("directory_site.id"), nullable=False),
    Column("password_hash", String(200), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("must_change_password", Boolean, nullable=False),
    Column("locale", String(10), nullable=False),
    Column("created_at", String(27), nullable=False),
    Column("last_sign_in_at", String(27), nullable=False),
    Column("rpps", String(11), server_default=text("''"), nullable=False),
    Index(None, "rpps"),
)

# Every request runs them.
_SITE = Prepared(lambda _: select(site).where(site.c.id == bindparam("id")))
_ACCOUNT = Prepared(lambda _: select(account).where(account.c.id == bindparam("id")))


def _site(row: Any) -> Site:
    services = tuple(row.services.split()) if row.services else ()
    return Site(
        row.id, row.name, row.kind, row.issuer, services, row.time_zone, row.active, row.demo, tuple(row.second_factor_roles.split()),
        row.finess,
    )  # fmt: skip


def _site_values(s: Site) -> dict[str, Any]:
    return {
        "name": s.name, "kind": s.kind, "issuer": s.issuer, "services": " ".join(s.services),
        "time_zone": s.time_zone, "active": s.active, "demo": s.demo, "second_factor_roles": " ".join(s.second_factor_roles),
        "finess": s.finess,
    }  # fmt: skip


def add_site(tx: Tx, s: Site) -> None:
    """Insert a site; nothing happens when its id is taken."""
    insert_new(tx, site, [{"id": s.id, **_site_values(s)}])


def put_site(tx: Tx, s: Site) -> None:
    """Insert or replace a site."""
    if not tx.execute(update(site).where(site.c.id == s.id).values(**_site_values(s))).rowcount:
        tx.execute(insert(site).values(id=s.id, **_site_values(s)))


def get_site(tx: Tx, site_id: str) -> Site | None:
    """One site."""
    row = next(iter(_SITE.all(tx, id=site_id)), None)
    return _site(row) if row else None


def all_sites(tx: Tx) -> list[Site]:
    """All sites by name."""
    return [_site(row) for row in tx.execute(select(site).order_by(site.c.name))]


def _device(row: Any) -> Device:
    return Device(
        row.ae_title, row.host, row.port, row.site_id, row.description, row.tls, row.active, row.receives_rejections,
        row.receives_from_other_sites,
    )  # fmt: skip


def put_device(tx: Tx, d: Device) -> None:
    """Insert or replace a device."""
    values = {name: value for name, value in vars(d).items() if name != "ae_title"}
    if not tx.execute(update(device).where(device.c.ae_title == d.ae_title).values(**values)).rowcount:
        tx.execute(insert(device).values(ae_title=d.ae_title, **values))


def get_device(tx: Tx, ae_title: str) -> Device | None:
    """One device."""
    row = tx.execute(select(device).where(device.c.ae_title == ae_title)).first()
    return _device(row) if row else None


def all_devices(tx: Tx) -> list[Device]:
    """All devices by AE title."""
    return [_device(row) for row in tx.execute(select(device).order_by(device.c.ae_title))]


def delete_device(tx: Tx, ae_title: str) -> bool:
    """Remove a device; False when there was none."""
    return bool(tx.execute(delete(device).where(device.c.ae_title == ae_title)).rowcount)


def _account(row: Any) -> Account:
    return Account(
        row.id, row.login, row.name, row.role, row.site_id, row.active, row.must_change_password, row.locale, row.last_sign_in_at, row.rpps
    )


def add_account(tx: Tx, a: Account, password_hash: str, created_at: str) -> bool:
    """Insert an account; False when its login is taken."""
    values = {
        "id": a.id, "login": a.login, "name": a.name, "role": a.role, "site_id": a.site_id, "password_hash": password_hash,
        "active": a.active, "must_change_password": a.must_change_password, "locale": a.locale, "created_at": created_at,
        "last_sign_in_at": "",
    }  # fmt: skip
    insert_new(tx, account, [values])
    return bool(tx.execute(select(account.c.id).where(account.c.login == a.login)).scalar() == a.id)


def lock_role(tx: Tx, role: str) -> None:
    """Keep the accounts of a role for this transaction, in one order."""
    tx.execute(select(account.c.id).where(account.c.role == role).order_by(account.c.id).with_for_update()).all()


def has_administrator(tx: Tx) -> bool:
    """Whether an active account with the role of an administrator is at an active site outside the training region."""
    a, s = account.c, site.c
    there = select(a.id).join_from(account, site, s.id == a.site_id)
    return tx.execute(there.where(a.role == Role.ADMINISTRATOR.value, a.active, s.active, ~s.demo).limit(1)).first() is not None


def has_real_account(tx: Tx) -> bool:
    """Whether there is an account outside of the training region, of whatever role and state."""
    a, s = account.c, site.c
    return tx.execute(select(a.id).join_from(account, site, s.id == a.site_id).where(~s.demo).limit(1)).first() is not None


def change_account(tx: Tx, account_id: str, **values: Any) -> None:
    """Set columns of an account."""
    tx.execute(update(account).where(account.c.id == account_id).values(**values))


def get_account(tx: Tx, *, login: str | None = None, account_id: str | None = None) -> tuple[Account, str] | None:
    """One account and its password hash, by login or by id."""
    if login is not None:
        row = tx.execute(select(account).where(account.c.login == login)).first()
    else:
        row = next(iter(_ACCOUNT.all(tx, id=account_id)), None)
    return (_account(row), row.password_hash) if row else None


def accounts_of_rpps(tx: Tx, rpps: str) -> list[Account]:
    """The accounts of a professional."""
    return [_account(row) for row in tx.execute(select(account).where(account.c.rpps == rpps).order_by(account.c.login))]


def all_accounts(tx: Tx) -> list[Account]:
    """All accounts by login."""
    return [_account(row) for row in tx.execute(select(account).order_by(account.c.login))]
