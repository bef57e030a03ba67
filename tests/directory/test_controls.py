"""Controls of devices: what stops one, what lifts it, and what is never stopped."""

from __future__ import annotations

import pytest

from archipel import directory
from archipel.directory import Control, Device, controls
from archipel.kit.actor import Actor
from archipel.kit.database import Database
from archipel.kit.errors import Invalid, NotFound

ENGINEER = Actor("account", "engineer", role="biomedical_engineer")


def add(database: Database, on: str = "2025-01-10", result: str = "conform", kind: str = "quality_control", **more: object) -> Control:
    made = Control("", "MG1", kind, on, "Qualimed", result, **more)  # type: ignore[arg-type]
    return database.transact(lambda tx: controls.add_control(tx, ENGINEER, made))


def stopped(database: Database) -> list[str]:
    with database.read() as tx:
        return [service for service in directory.SERVICES if directory.is_stopped(tx, "MG1", service)]


@pytest.fixture
def mammograph(database: Database) -> Database:
    with database.write() as tx:
        directory.ensure_default_site(tx)
        directory.add_device(tx, ENGINEER, Device("MG1", "10.0.0.9", 104, "default"))
    return database


def test_a_serious_non_conformity_stops_what_depends_and_a_later_conform_control_lifts_it(mammograph: Database) -> None:
    add(mammograph)
    add(mammograph, "2025-01-20", "minor")
    assert stopped(mammograph) == []
    add(mammograph, "2025-02-01", "serious", note="Artefact in the detector")
    assert stopped(mammograph) == ["teleradiology", "dose", "screening", "postprocessing"]
    with mammograph.read() as tx:
        assert directory.is_stopped(tx, "MG1", "screening") == "Serious non-conformity on 2025-02-01: Artefact in the detector"
        assert directory.is_stopped(tx, "OTHER", "screening") is None
        device = directory.device_for(tx, "MG1", "10.0.0.9")
    assert device is not None, "it still stores: images that were made are not lost"
    add(mammograph, "2025-02-02", "conform", "maintenance")
    add(mammograph, "2025-02-02", "minor")
    add(mammograph, "2025-01-31", "conform")
    assert len(stopped(mammograph)) == 4, "neither a repair, nor a minor result, nor an earlier control lifts it"
    add(mammograph, "2025-02-02", "conform")
    assert stopped(mammograph) == []


def test_a_result_may_be_about_some_services_alone(mammograph: Database) -> None:
    add(mammograph, "2025-02-01", "serious", services=("screening", "dose"))
    assert stopped(mammograph) == ["dose", "screening"]
    add(mammograph, "2025-02-02", services=("dose",))
    assert stopped(mammograph) == ["screening"]
    with mammograph.read() as tx:
        assert not controls.states(tx)["MG1"].receives_work


def test_of_one_day_the_one_recorded_last_counts(mammograph: Database) -> None:
    add(mammograph, "2025-02-01", "serious")
    add(mammograph, "2025-02-01", "conform")
    assert stopped(mammograph) == []
    add(mammograph, "2025-02-01", "serious")
    assert len(stopped(mammograph)) == 4


def test_a_device_that_is_removed_and_comes_back_is_still_stopped(mammograph: Database) -> None:
    add(mammograph, "2025-02-01", "serious")
    with mammograph.write() as tx:
        directory.remove_device(tx, ENGINEER, "MG1")
        directory.add_device(tx, ENGINEER, Device("MG1", "10.0.0.9", 104, "default"))
    assert "screening" in stopped(mammograph)


def test_what_is_due_is_said_by_the_last_control_of_its_kind(mammograph: Database) -> None:
    add(mammograph, "2025-06-01", next_due_on="2025-12-01")
    add(mammograph, "2025-07-01", kind="maintenance", next_due_on="2027-01-01")
    with mammograph.read() as tx:
        state = controls.states(tx)["MG1"]
        assert state.due == {"quality_control": "2025-12-01", "maintenance": "2027-01-01"}
        assert state.overdue("2025-12-01") == () and state.overdue("2025-12-02") == ("quality_control",)
    add(mammograph, "2025-12-02", next_due_on="2026-06-02")
    with mammograph.read() as tx:
        assert controls.states(tx)["MG1"].overdue("2025-12-02") == ()
        assert [c.on for c in controls.controls(tx, "MG1")] == ["2025-12-02", "2025-07-01", "2025-06-01"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"on": "2999-01-01"}, {"on": "10/01/2026"}, {"kind": "party"}, {"result": "fine"}, {"services": ("archive",)},
        {"next_due_on": "2025-01-10"}, {"next_due_on": "soon"}, {"note": "x" * 501}, {"note": "a\nb"},
    ],
)  # fmt: skip
def test_controls_that_are_not_well_formed_are_refused(mammograph: Database, wrong: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        add(mammograph, **wrong)  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        mammograph.transact(lambda tx: controls.add_control(tx, ENGINEER, Control("", "GONE", "maintenance", "2025-01-01", "x", "conform")))
