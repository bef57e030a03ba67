"""Commands about exams: import, verify, export, rebuild, replay, demo."""

from __future__ import annotations

import importlib
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from archipel import app as composition
from archipel import archive, flow
from archipel.cli.exporting import Choice, Exporter
from archipel.cli.importing import Importer
from archipel.cli.options import OPERATOR, Config, Data, Site, opened
from archipel.directory import DEFAULT_SITE, site_named
from archipel.kit import feed
from archipel.kit.settings import load_settings


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command("import")(import_paths)
    app.command("verify")(verify)
    app.command("export")(export)
    app.command("rebuild")(rebuild)
    app.command("replay")(replay)
    app.command("demo")(load_demo)


def import_paths(
    paths: Annotated[list[Path], typer.Argument(help="Files, folders, ZIP archives, DICOMDIRs.", exists=True)],
    data: Data = Path("var"),
    site: Site = DEFAULT_SITE,
    again: Annotated[bool, typer.Option("--again", help="Look again at files that an earlier import has done.")] = False,
    config: Config = None,
) -> None:
    """Store every instance found below the paths; what cannot be read is listed with its reason. Run it again to go on."""
    platform = composition.build(load_settings(data, config))
    try:
        with platform.database.read() as tx:
            site_named(tx, site)
        importer = Importer(platform, site_id=site, again=again)
        summary = importer.run(paths)
    finally:
        platform.close()
    for name, reason in summary.refused:
        print(f"refused\t{name}\t{reason}", file=sys.stderr)
    print(summary.line())


def verify(
    data: Data = Path("var"),
    rate: Annotated[int, typer.Option("--rate", min=0, help="Bytes to read in a second at most; 0: as fast as it goes.")] = 0,
    config: Config = None,
) -> None:
    """Compare every stored instance with the digest taken when it arrived; exits 1 when anything is damaged."""
    damaged = checked = size = 0
    with opened(data, config) as (settings, database):
        blobs = composition.open_objects(settings)
        with database.read() as tx:
            total = archive.totals(tx)["instances"]
        with _progress() as progress:
            task = progress.add_task("verify", total=total)
            for one in archive.verify(database, blobs, archive.Pace(rate)):
                checked, size = checked + 1, size + one.length_bytes
                progress.advance(task)
                if one.damage:
                    damaged += 1
                    print(f"damaged\t{one.sop_instance_uid}\t{one.damage.study_uid}\t{one.damage.reason}", file=sys.stderr)
        for key, size_bytes in archive.orphans(database, blobs):
            print(f"orphan\t{key}\t{size_bytes} bytes", file=sys.stderr)
    print(f"{checked} instances, {size} bytes: {checked - damaged} intact, {damaged} damaged")
    if damaged:
        raise typer.Exit(1)


def export(
    to: Annotated[Path, typer.Option("--to", help="A folder, or a file whose name ends in .zip.")],
    study_uids: Annotated[list[str] | None, typer.Argument(metavar="STUDY_UID", help="Study Instance UIDs.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every exam.")] = False,
    patient: Annotated[str, typer.Option("--patient", help="Exams of this Patient ID, whoever issued it.")] = "",
    site: Annotated[str, typer.Option("--site", help="Exams of this site.")] = "",
    data: Data = Path("var"),
    config: Config = None,
) -> None:
    """Write exams as Part 10 files, as they were sent, with a DICOMDIR; what is rejected is left out. Run it again to go on.

    Each exam is in the audit trail. Exits 1 when something is damaged: into a folder all the rest is written, a ZIP is not finished.
    """
    choice = Choice(tuple(study_uids or ()), every, patient, site)
    with opened(data, config) as (settings, database):
        blobs = composition.open_objects(settings)
        with database.read() as tx:
            chosen = choice.studies(tx)
        with _progress() as progress:
            task = progress.add_task("export", total=sum(chosen.values()))
            exporter = Exporter(database, blobs, choice, lambda count: progress.advance(task, count))
            if to.suffix.lower() == ".zip":
                exporter.to_zip(chosen, to)
            elif not exporter.to_folder(chosen, to):
                print("no DICOMDIR: nothing, or too much for one", file=sys.stderr)
    done = exporter.done
    for uid, reason in done.damaged:
        print(f"damaged\t{uid}\t{reason}", file=sys.stderr)
    print(
        f"{len(chosen)} exams: {done.written} instances written, {done.size_bytes} bytes; {done.there} there already, "
        f"{len(done.damaged)} damaged"
    )
    if done.damaged:
        raise typer.Exit(1)


def rebuild(data: Data = Path("var"), config: Config = None) -> None:
    """Make the index again from the objects alone, beside what it holds; run it again to go on. Let nothing be received meanwhile.

    Exits 1 when a sealed object could not be read; of what lies open, pieces that a crash left are listed and skipped.
    """
    platform = composition.build(load_settings(data, config))
    counted, broken, guessed = Counter[str](), 0, set[str]()
    try:
        some = archive.rebuild_objects(platform.blobs)
        with _progress() as progress:
            task = progress.add_task("rebuild", total=sum(size for _, size in some))
            for step in archive.rebuild(platform.database, platform.blobs, platform.spool, OPERATOR, some):
                progress.advance(task, step.size_bytes)
                counted.update(taken=step.taken, held=step.held, kept_aside=step.kept_aside, refused=len(step.refused))
                broken += bool(step.refused) and step.key.startswith(archive.SEALED_FOLDER)
                guessed |= step.guessed
                for reason in step.refused:
                    print(f"refused\t{step.key}\t{reason}", file=sys.stderr)
        for study_uid in sorted(guessed):
            print(f"site unknown\t{study_uid}\tat {DEFAULT_SITE}", file=sys.stderr)
    finally:
        platform.close()
    print(
        f"{len(some)} objects: {counted['taken']} instances indexed, {counted['held']} found there already, {counted['kept_aside']} kept "
        f"aside, {counted['refused']} not read ({broken} sealed objects); {len(guessed)} exams of an unknown site"
    )
    if broken:
        raise typer.Exit(1)


def replay(
    follower: str,
    from_: Annotated[int, typer.Option("--from", min=0, help="Position in the feed; 0 reads the register from its beginning.")],
    data: Data = Path("var"),
    config: Config = None,
) -> None:
    """Run a follower again; its work is idempotent."""
    with opened(data, config) as (settings, database):
        followers = flow.followers(composition.open_objects(settings), settings)
        count = feed.replay(database, feed.follower_named(followers, follower), from_)
    print(f"{follower}: {count} changes")


def load_demo(
    data: Data = Path("var"),
    small: Annotated[bool, typer.Option("--small", help="A much smaller region, for tests.")] = False,
    config: Config = None,
) -> None:
    """Fill a training region: sites, accounts, devices and synthetic exams. Doing it again changes nothing."""
    demo = importlib.import_module("archipel.demo")  # heavy, and no other command needs it
    platform = composition.build(load_settings(data, config))
    try:
        today = platform.clock.now().date()
        with Console(stderr=True).status("demo region") as status:
            loaded = demo.load(
                platform.database, platform.receiver, platform.spool, today, small=small, progress=lambda name: status.update(name)
            )
    finally:
        platform.close()
    print(f"demo region: {loaded.stored} instances stored, {loaded.kept_aside} kept aside for review")
    for account in demo.ACCOUNTS:
        print(f"  {account.login:20} {account.role:20} password: {demo.DEMO_PASSWORD}")


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
