"""Settings: what is misspelt or out of bounds refuses to start, and says what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from archipel.kit.errors import Invalid
from archipel.kit.settings import load_settings


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("ARCHIPEL_"):
            monkeypatch.delenv(name)


def written(folder: Path, text: str) -> Path:
    path = folder / "archipel.toml"
    path.write_text(text)
    return path


def test_an_empty_folder_is_one_process_with_sqlite_and_files(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    assert settings.data == tmp_path
    assert settings.database_url == f"sqlite:///{tmp_path / 'archipel.db'}"
    assert settings.blobs_url == f"file://{tmp_path / 'blobs'}"
    assert settings.dicom.ae_title == "ARCHIPEL"


def test_the_file_of_the_folder_is_read(tmp_path: Path) -> None:
    written(tmp_path, '[dicom]\nae_title = "NORTH"\nport = 104\n')
    settings = load_settings(tmp_path)
    assert (settings.dicom.ae_title, settings.dicom.port) == ("NORTH", 104)


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "[http]\nport = 1\n[dicom]\nport = 1\n")
    monkeypatch.setenv("ARCHIPEL_HTTP__PORT", "2")
    monkeypatch.setenv("ARCHIPEL_DICOM__PORT", "2")
    settings = load_settings(tmp_path, http={"port": 3, "host": None})
    assert (settings.http.port, settings.http.host, settings.dicom.port) == (3, "127.0.0.1", 2)


def test_the_folder_that_was_named_is_the_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIPEL_DATA", "/elsewhere")
    assert load_settings(tmp_path).data == tmp_path


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[dicom]\nae_titel = 'X'", "dicom.ae_titel"),
        ("nonsense = 1", "nonsense"),
        ("[nothing]\nx = 1", "nothing"),
        ("[dicom]\nport = 70000", "dicom.port"),
        ("[dicom]\nae_title = 'SEVENTEENLETTERSX'", "dicom.ae_title"),
        ("[archive]\nquiet_s = 0", "archive.quiet_s"),
        ("[http]\nport = 'many'", "http.port"),
        ("[dicom\n", "archipel.toml"),
    ],
)
def test_what_does_not_exist_or_is_out_of_bounds_is_named(tmp_path: Path, text: str, named: str) -> None:
    written(tmp_path, text)
    with pytest.raises(Invalid, match=named.replace(".", r"\.")) as caught:
        load_settings(tmp_path)
    assert caught.value.code == "settings"


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "archipel.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Invalid, match=r"archipel\.toml"):
        load_settings(tmp_path)


def test_a_file_that_was_named_and_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"other\.toml"):
        load_settings(tmp_path, tmp_path / "other.toml")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ARCHIPEL_DICOM__AE_TITEL", "X"), ("ARCHIPEL_NONSENSE", "1"), ("ARCHIPEL_DICM__PORT", "1"), ("ARCHIPEL_HTTP__PORT", "-1"),
        ("ARCHIPEL_DICOM", "not json"),
    ],
)  # fmt: skip
def test_a_variable_that_names_no_option_refuses_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(Invalid):
        load_settings(tmp_path)


def test_variables_of_the_tests_are_not_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIPEL_TEST_FAULTS", "long")
    load_settings(tmp_path)


def test_overrides_are_held_to_the_same_bounds(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="port"):
        load_settings(tmp_path, http={"port": 99_999})


def test_a_secret_is_not_repeated_in_the_reason(tmp_path: Path) -> None:
    written(tmp_path, '[blobs]\nsecret_key = ["hunter2"]\n')
    with pytest.raises(Invalid) as caught:
        load_settings(tmp_path)
    assert "hunter2" not in str(caught.value)
