"""Commands about sites, devices, accounts and tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archipel import directory, sharing, signin
from archipel.cli.options import OPERATOR, Config, Data, Site, opened
from archipel.directory import DEFAULT_SITE, Device
from archipel.directory import Site as SiteRecord


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    account, device, site, role = (typer.Typer(no_args_is_help=True) for _ in range(4))
    app.add_typer(account, name="account", help="People's and scripts' accounts.")
    app.add_typer(device, name="device", help="DICOM application entities.")
    app.add_typer(site, name="site", help="Establishments.")
    app.add_typer(role, name="role", help="Roles.")
    account.command("add")(account_add)
    account.command("reset-password")(account_reset)
    account.command("reset-second-factors")(account_reset_second_factors)
    account.command("list")(account_list)
    device.command("add")(device_add)
    device.command("remove")(device_remove)
    device.command("list")(device_list)
    site.command("add")(site_add)
    site.command("list")(site_list)
    role.command("list")(role_list)
    app.command("token")(token)


def account_add(
    login: str,
    role: Annotated[str, typer.Option("--role", help="The role's token; see archipel role list.")],
    data: Data = Path("var"),
    site: Site = DEFAULT_SITE,
    name: Annotated[str, typer.Option("--name", help="The person's name.")] = "",
    config: Config = None,
) -> None:
    """Add an account; prints its one-time password."""
    with opened(data, config) as (_, database):
        _, password = database.transact(lambda tx: directory.add_account(tx, OPERATOR, login=login, role=role, site_id=site, name=name))
    print(password)


def account_reset(login: str, data: Data = Path("var"), config: Config = None) -> None:
    """Give an account a new one-time password and end its sessions; prints the password."""
    with opened(data, config) as (_, database), database.write() as tx:
        signin.sign_out_everywhere(tx, directory.account_named(tx, login).id)
        password = directory.reset_password(tx, OPERATOR, login)
    print(password)


def account_reset_second_factors(login: str, data: Data = Path("var"), config: Config = None) -> None:
    """Remove the second factors of somebody who lost them, and end the account's sessions; prints how many there were."""
    with opened(data, config) as (_, database):
        print(database.transact(lambda tx: signin.factors.reset_factors(tx, OPERATOR, login)))


def account_list(data: Data = Path("var"), config: Config = None) -> None:
    """List accounts: login, role, site, state."""
    with opened(data, config) as (_, database), database.read() as tx:
        for a in directory.accounts(tx):
            print(a.login, a.role, a.site_id, "active" if a.active else "disabled", sep="\t")


def token(
    login: str,
    data: Data = Path("var"),
    hours: Annotated[int, typer.Option("--hours", min=1, max=24 * 366, help="How long it lasts.")] = 24,
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help="Limit it to this: read, store or admin; may be repeated. None: all that the role may."),
    ] = None,
    config: Config = None,
) -> None:
    """Print a bearer token for an account, and nothing else."""
    with opened(data, config) as (_, database):
        print(database.transact(lambda tx: signin.issue_token(tx, OPERATOR, login, hours=hours, scope=scope or ())))


def device_add(
    aet: str,
    host: str,
    port: int,
    data: Data = Path("var"),
    site: Site = DEFAULT_SITE,
    description: Annotated[str, typer.Option("--description")] = "",
    tls: Annotated[bool, typer.Option("--tls", help="It listens with TLS.")] = False,
    receives_rejections: Annotated[bool, typer.Option("--receives-rejections", help="Notes of what is rejected are sent to it.")] = False,
    receives_from_other_sites: Annotated[
        bool, typer.Option("--receives-from-other-sites", help="What belongs to other sites may be sent to it.")
    ] = False,
    config: Config = None,
) -> None:
    """Make a DICOM device known; again, to change it."""
    with opened(data, config) as (_, database):
        device = Device(
            aet, host, port, site, description, tls, receives_rejections=receives_rejections,
            receives_from_other_sites=receives_from_other_sites,
        )  # fmt: skip
        database.transact(lambda tx: directory.add_device(tx, OPERATOR, device))


def device_remove(aet: str, data: Data = Path("var"), config: Config = None) -> None:
    """Forget a device; what it sent stays."""
    with opened(data, config) as (_, database):
        database.transact(lambda tx: directory.remove_device(tx, OPERATOR, aet))


def device_list(data: Data = Path("var"), config: Config = None) -> None:
    """List devices: AE title, host, port, site, state."""
    with opened(data, config) as (_, database), database.read() as tx:
        for d in directory.devices(tx):
            print(d.ae_title, d.host, d.port, d.site_id, "active" if d.active else "disabled", sep="\t")


def site_add(
    id: str,
    name: str,
    data: Data = Path("var"),
    kind: Annotated[str, typer.Option("--kind", help="hospital, practice, screening_centre or other.")] = "hospital",
    issuer: Annotated[str, typer.Option("--issuer", help="Assigning authority of its Patient IDs.")] = "",
    config: Config = None,
) -> None:
    """Let a site join, with the archive switched on."""
    with opened(data, config) as (_, database):
        database.transact(lambda tx: directory.add_site(tx, OPERATOR, SiteRecord(id, name, kind, issuer)))


def site_list(data: Data = Path("var"), config: Config = None) -> None:
    """List sites: id, kind, services, name."""
    with opened(data, config) as (_, database), database.read() as tx:
        for s in directory.sites(tx):
            print(s.id, s.kind, ",".join(s.services), s.name, sep="\t")


def role_list() -> None:
    """List roles: token, name in French, name in English, what it may do."""
    for role, permissions in sharing.roles().items():
        french, english = directory.ROLE_NAMES[role]
        print(role, french, english, " ".join(permissions), sep="\t")
