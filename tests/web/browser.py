"""Finds a Chromium, and installs Debian's where that is possible.

Run as root on Debian (a container, a CI machine) it installs the package; anywhere else it says
what is missing and leaves the machine alone.
"""

import os
import platform
import shutil
import subprocess
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")

LAUNCH_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Missing(Exception):
    """No Chromium and no way to get one; the message says why and what to do."""


def chromium() -> Path:
    """The browser's program, installed first where that is possible."""
    found = on_path()
    if found is None:
        install()
        found = on_path()
    if found is None:
        raise Missing("Chromium was installed and is still not on PATH. Put it there.")
    return found


def on_path() -> Path | None:
    """The first of the known names that this machine has."""
    paths = (shutil.which(name) for name in NAMES)
    return next((Path(path) for path in paths if path), None)


def install() -> None:
    """Install Debian's package, or raise Missing."""
    if not can_install():
        raise Missing("No Chromium on PATH. Install one (on Debian: apt-get install chromium).")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
        done = subprocess.run(
            ["apt-get", *arguments], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            last_words = done.stderr.strip().splitlines()[-1:]
            raise Missing(f"apt-get {arguments[0]} failed: {' '.join(last_words)}")


def can_install() -> bool:
    """Root on Debian, with its package manager at hand."""
    if platform.system() != "Linux" or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    try:
        return platform.freedesktop_os_release()["ID"] == "debian"
    except OSError:
        return False
