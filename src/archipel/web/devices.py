"""Devices: the DICOM peers that we know, within the reach of who manages them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from archipel import directory, sharing
from archipel.directory import Control, Device
from archipel.kit.database import Tx
from archipel.kit.errors import Conflict, NotFound
from archipel.web.errors import DoorRoute
from archipel.web.once import REPEATABLE, once
from archipel.web.parts import Call, needs
from archipel.web.words import Body, Listed, LongText, Text, Word, whole

router = APIRouter(route_class=DoorRoute, tags=["directory"])
DeviceManager = Annotated[Call, needs("device.manage")]
DeviceReader = Annotated[Call, needs("device.read")]
DeviceController = Annotated[Call, needs("device.control")]
AeTitle = Annotated[Word, Path(description="AE title.")]
Port = Annotated[int, Field(ge=1, le=65535)]
REJECTIONS = "Notes of what is rejected are sent to it (IHE IOCM)."
ABOUT = "The services that the result is about; none: all that depend on devices (teleradiology, dose, screening, postprocessing)."
ControlKind = Literal["maintenance", "quality_control"]
Result = Literal["conform", "minor", "serious"]
OTHER_SITES = "What belongs to other sites may be sent to it; only who manages sites sets this, or changes such a device."


class NewDevice(Body):
    """A DICOM peer; without ``site_id`` it belongs to the site of who adds it."""

    aet: Annotated[Word, Field(max_length=16)]
    host: Text
    port: Port
    site_id: Word | None = None
    description: Text | None = None
    tls: bool = False
    active: bool = True
    receives_rejections: Annotated[bool, Field(description=REJECTIONS)] = False
    receives_from_other_sites: Annotated[bool, Field(description=OTHER_SITES)] = False


class DeviceChanges(Body):
    """What to change; the rest stays."""

    host: Text | None = None
    port: Port | None = None
    site_id: Word | None = None
    description: Text | None = None
    active: bool | None = None
    tls: bool | None = None
    receives_rejections: Annotated[bool | None, Field(description=REJECTIONS)] = None
    receives_from_other_sites: Annotated[bool | None, Field(description=OTHER_SITES)] = None


class Stop(BaseModel):
    """A service that gives the device no work, and why."""

    service: str
    reason: str


class Due(BaseModel):
    """When the next control of a kind is due."""

    kind: ControlKind
    on: str
    overdue: bool


class DeviceAnswer(BaseModel):
    """A DICOM peer."""

    aet: str
    host: str
    port: int
    site_id: str
    description: str | None
    active: bool
    tls: bool
    receives_rejections: Annotated[bool, Field(description=REJECTIONS)]
    receives_from_other_sites: Annotated[bool, Field(description=OTHER_SITES)]
    receives_work: bool = Field(description="False while a serious non-conformity stops it for a service. It may store all the same.")
    stopped: list[Stop]
    due: list[Due]


class NewControl(Body):
    """A maintenance or a quality control that was done."""

    kind: ControlKind
    on: date
    by: Annotated[Text, Field(min_length=1, max_length=120, description="Who did it.")]
    result: Result
    next_due_on: date | None = None
    services: Annotated[list[Word], Field(max_length=20, default_factory=list, description=ABOUT)]
    note: Annotated[LongText, Field(max_length=500)] | None = None


class ControlAnswer(BaseModel):
    """A control of a device, as it was recorded; it is never changed."""

    id: str
    kind: ControlKind
    on: str
    by: str
    result: Result
    next_due_on: str | None
    services: list[str] = Field(description=ABOUT)
    note: str | None
    recorded_at: str
    recorded_by: str


class EchoAnswer(BaseModel):
    """Whether the device answered a C-ECHO; else why, as a code and in words."""

    ok: bool
    reason: str | None
    public: str
    took_ms: int


@router.get("/devices", summary="List devices")
def list_devices(call: DeviceReader) -> Listed[DeviceAnswer]:
    """The devices of the account's sites, by AE title."""
    with call.database.read() as tx:
        visible = sharing.visible_site_ids(tx, call.actor)
        states, today = directory.controls.states(tx), tx.now().date().isoformat()
        return whole([_with_controls(device, states, today) for device in directory.devices(tx) if device.site_id in visible])


@router.post("/devices", status_code=201, summary="Add a device", openapi_extra=REPEATABLE)
def add_device(body: NewDevice, call: DeviceManager) -> DeviceAnswer:
    """Make a DICOM peer known."""
    site_id = body.site_id or call.actor.site_id
    device = Device(
        body.aet, body.host, body.port, site_id, body.description or "", body.tls, body.active, body.receives_rejections,
        body.receives_from_other_sites,
    )  # fmt: skip

    def act(tx: Tx) -> DeviceAnswer:
        sharing.reaches_site(tx, call.actor, site_id)
        sharing.check_device_host(call.actor, body.host)
        sharing.require_device_change(call.actor, device)
        if any(known.ae_title == body.aet for known in directory.devices(tx)):
            raise Conflict(f"There is a device {body.aet} already.", code="device-exists", field="aet")
        return _answer(tx, directory.add_device(tx, call.actor, device))

    return once(call, body, DeviceAnswer, act)


@router.patch("/devices/{aet:path}", summary="Change a device")
def change_device(aet: AeTitle, body: DeviceChanges, call: DeviceManager) -> DeviceAnswer:
    """Change where a device is, what it belongs to, or whether it may talk to us."""
    changes = body.changes(clearable=("description",))

    def act(tx: Tx) -> DeviceAnswer:
        known = _reachable(tx, call, aet)
        for device in (known, replace(known, **changes)):
            sharing.require_device_change(call.actor, device)
        sharing.reaches_site(tx, call.actor, changes.get("site_id", call.actor.site_id))
        if "host" in changes:
            sharing.check_device_host(call.actor, changes["host"])
        return _answer(tx, directory.change_device(tx, call.actor, aet, **changes))

    return call.database.transact(act)


@router.delete("/devices/{aet:path}", status_code=204, summary="Remove a device")
def remove_device(aet: AeTitle, call: DeviceManager) -> None:
    """Forget a device; what it sent stays."""

    def act(tx: Tx) -> None:
        directory.remove_device(tx, call.actor, _reachable(tx, call, aet).ae_title)

    call.database.transact(act)


@router.get("/devices/{aet:path}/controls", summary="List the controls of a device")
def list_controls(aet: AeTitle, call: DeviceReader) -> Listed[ControlAnswer]:
    """Its maintenance and quality controls, newest first."""
    with call.database.read() as tx:
        return whole([_control(one) for one in directory.controls.controls(tx, _reachable(tx, call, aet).ae_title)])


@router.post("/devices/{aet:path}/controls", status_code=201, summary="Record a control of a device", openapi_extra=REPEATABLE)
def add_control(aet: AeTitle, body: NewControl, call: DeviceController) -> ControlAnswer:
    """A serious result stops the device for the services that depend on it, until a later quality control is conform."""
    said = Control(
        "", aet, body.kind, body.on.isoformat(), body.by, body.result, body.next_due_on.isoformat() if body.next_due_on else "",
        tuple(dict.fromkeys(body.services)), body.note or "",
    )  # fmt: skip

    def act(tx: Tx) -> ControlAnswer:
        _reachable(tx, call, aet)
        return _control(directory.controls.add_control(tx, call.actor, said))

    return once(call, body, ControlAnswer, act)


@router.post("/devices/{aet:path}/echo", summary="Call a device")
def echo_device(aet: AeTitle, call: DeviceManager) -> EchoAnswer:
    """Send a C-ECHO to a device and say what came back."""
    with call.database.read() as tx:
        device = _reachable(tx, call, aet)
    sharing.check_device_host(call.actor, device.host)
    result = call.parts.echo(device)
    return EchoAnswer(ok=result.ok, reason=result.reason or None, public=result.public, took_ms=result.took_ms)


def _reachable(tx: Tx, call: Call, aet: str) -> Device:
    """The device, if it is of a site of the actor's; another site's device is not there for him."""
    device = directory.device_named(tx, aet)
    if device.site_id not in sharing.visible_site_ids(tx, call.actor):
        raise NotFound(f"There is no device {aet.strip()}.", code="no-device", field="aet")
    return device


def _answer(tx: Tx, device: Device) -> DeviceAnswer:
    return _with_controls(device, directory.controls.states(tx), tx.now().date().isoformat())


def _with_controls(device: Device, states: dict[str, directory.controls.DeviceState], today: str) -> DeviceAnswer:
    state = states.get(device.ae_title, directory.controls.DeviceState({}, {}))
    overdue = state.overdue(today)
    return DeviceAnswer(
        aet=device.ae_title, host=device.host, port=device.port, site_id=device.site_id, description=device.description or None,
        active=device.active, tls=device.tls, receives_rejections=device.receives_rejections,
        receives_from_other_sites=device.receives_from_other_sites, receives_work=state.receives_work,
        stopped=[Stop(service=service, reason=reason) for service, reason in state.stopped.items()],
        due=[Due.model_validate({"kind": kind, "on": on, "overdue": kind in overdue}) for kind, on in state.due.items() if on],
    )  # fmt: skip


def _control(control: Control) -> ControlAnswer:
    values = {**vars(control), "next_due_on": control.next_due_on or None, "note": control.note or None}
    return ControlAnswer.model_validate({name: values[name] for name in ControlAnswer.model_fields})
