"""Controls of devices: maintenance and quality control, what is due, and which services a device is stopped for.

A serious non-conformity stops the device for the services that depend on it, until a later quality control is conform. Storing is never
stopped: images that were made must not be lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from archipel import audit
from archipel.directory import rows_controls
from archipel.directory.devices import device_named
from archipel.directory.model import Control, check_day, check_text
from archipel.kit.actor import Actor
from archipel.kit.clock import to_text
from archipel.kit.database import Tx
from archipel.kit.errors import Invalid
from archipel.kit.ids import new_id

KINDS = ("maintenance", "quality_control")
RESULTS = ("conform", "minor", "serious")
# The services that give work to devices or judge by their images. Those that keep and carry images are not among them.
DEPENDENT = ("teleradiology", "dose", "screening", "postprocessing")


@dataclass(frozen=True)
class DeviceState:
    """What the controls of a device say. ``stopped``: service -> why. ``due``: kind -> the day when the next one is due."""

    stopped: dict[str, str]
    due: dict[str, str]

    @property
    def receives_work(self) -> bool:
        """Whether no service is stopped."""
        return not self.stopped

    def overdue(self, today: str) -> tuple[str, ...]:
        """The kinds of control whose day has passed."""
        return tuple(kind for kind, day in self.due.items() if day and day < today)


def add_control(tx: Tx, actor: Actor, control: Control) -> Control:
    """Record a control of a known device; returns it with its id and instant. Invalid when it lies in the future or is not well formed."""
    device = device_named(tx, control.ae_title)
    if control.kind not in KINDS:
        raise Invalid(f"There is no control {control.kind!r}; there are: {', '.join(KINDS)}.", code="control-kind", field="kind")
    if control.result not in RESULTS:
        raise Invalid(f"There is no result {control.result!r}; there are: {', '.join(RESULTS)}.", code="control-result", field="result")
    unknown = [service for service in control.services if service not in DEPENDENT]
    if unknown:
        raise Invalid(f"No device is stopped for {unknown[0]!r}; there are: {', '.join(DEPENDENT)}.", code="service", field="services")
    check_day(control.on, "on")
    latest = (tx.now() + timedelta(hours=14)).date().isoformat()  # the day that has begun somewhere (UTC+14)
    if control.on > latest:
        raise Invalid("A control is recorded once it is done, not before.", code="control-future", field="on")
    if control.next_due_on and check_day(control.next_due_on, "next_due_on") <= control.on:
        raise Invalid("The next control is due after this one.", code="control-due", field="next_due_on")
    if not control.by.strip():
        raise Invalid("A control says who did it.", code="control-by", field="by")
    check_text(control.by, 120, "by")
    check_text(control.note, 500, "note")
    made = replace(control, id=new_id(), ae_title=device.ae_title, recorded_at=to_text(tx.now()), recorded_by=actor.id)
    rows_controls.add_control(tx, made)
    audit.record(
        tx,
        actor,
        "directory.add_control",
        object_id=device.ae_title,
        site_id=device.site_id,
        kind=made.kind,
        result=made.result,
        on=made.on,
    )
    return made


def controls(tx: Tx, ae_title: str) -> list[Control]:
    """The controls of a device, newest first."""
    return rows_controls.controls(tx, ae_title.strip())[::-1]


def states(tx: Tx) -> dict[str, DeviceState]:
    """What the controls say, by AE title; a device without controls has no entry."""
    grouped: dict[str, list[Control]] = {}
    for control in rows_controls.controls(tx):
        grouped.setdefault(control.ae_title, []).append(control)
    return {ae_title: state_of(found) for ae_title, found in grouped.items()}


def state_of(oldest_first: Iterable[Control]) -> DeviceState:
    """The state after these controls. Only a conform quality control lifts a stop: after a repair the device is measured again."""
    stopped: dict[str, str] = {}
    due: dict[str, str] = {}
    for control in oldest_first:
        due[control.kind] = control.next_due_on
        for service in control.services or DEPENDENT:
            if control.result == "serious":
                found = control.note or f"{control.kind.replace('_', ' ')} by {control.by}"
                stopped[service] = f"Serious non-conformity on {control.on}: {found}"
            elif control.result == "conform" and control.kind == "quality_control":
                stopped.pop(service, None)
    return DeviceState(stopped, due)


def is_stopped(tx: Tx, ae_title: str, service: str) -> str | None:
    """Why a device gets no work from a service, or None. A service that does not depend on devices (the archive) is never stopped."""
    return state_of(rows_controls.controls(tx, ae_title.strip())).stopped.get(service)
