"""Pictures of every screen of a running region: `python -m tests.web_app.shots URL LOGIN PASSWORD FOLDER [LOOK...]`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from tests.web_app.browser import LOOKS, Look, Region, open_browser, open_page, sign_in
from tests.web_app.screens import SIGNED_IN, SIGNED_OUT, Screen, shoot


@dataclass(frozen=True)
class Given:
    """A region named on the command line."""

    url: str
    login: str
    password: str


def take_shots(region: Region, folder: Path, looks: list[Look], screens: list[Screen] | None = None) -> list[Path]:
    """One picture per screen and look, as `<screen>-<locale>-<theme>-<width>.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = []
    with open_browser() as browser:
        for look in looks:
            with open_page(browser, region, look) as page:
                taken += [shoot(page, screen, folder, look.name) for screen in SIGNED_OUT if not screens or screen in screens]
                sign_in(page, region, look)
                taken += [shoot(page, screen, folder, look.name) for screen in SIGNED_IN if not screens or screen in screens]
    return taken


def main(arguments: list[str]) -> None:
    url, login, password, folder, *names = arguments
    looks = [look for look in LOOKS if not names or look.name in names]
    for path in take_shots(Given(url, login, password), Path(folder), looks):
        print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
