"""The built client: `web/dist`, built first when it is missing or older than its sources."""

import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

WEB = Path(__file__).parents[2] / "web"
DIST = WEB / "dist"
LOCK = WEB / "package-lock.json"


class NotBuildable(Exception):
    """This machine cannot build the client; the message says why."""


def built() -> Path:
    """The folder to serve."""
    if not is_current():
        build()
    return DIST


def is_current() -> bool:
    """Whether no source is newer than the build."""
    index = DIST / "index.html"
    return index.exists() and index.stat().st_mtime >= max(
        source.stat().st_mtime for source in sources()
    )


def sources() -> list[Path]:
    """Every file that the build depends on."""
    folders = (WEB / "src", WEB / "public")
    return [
        *(file for folder in folders for file in folder.rglob("*") if file.is_file()),
        LOCK,
        *(WEB / name for name in ("index.html", "vite.config.ts")),
    ]


def build() -> None:
    """Install what the lock file names, unless that is done, and build."""
    # A virtual environment may bring npm along, beside its Python.
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    npm = shutil.which("npm", path=search)
    if npm is None:
        raise NotBuildable("web/dist is missing or stale, and there is no npm to build it with.")
    run = partial(
        subprocess.run,
        cwd=WEB,
        env=os.environ | {"PATH": search},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if not is_installed():
        installed = run([npm, "ci"])
        if installed.returncode != 0:
            raise NotBuildable(f"npm ci failed:\n{installed.stdout}")
    done = run([npm, "run", "build"])
    assert done.returncode == 0, f"npm run build failed:\n{done.stdout}"


def is_installed() -> bool:
    """Whether node_modules was made from the lock file as it is now."""
    mark = WEB / "node_modules" / ".package-lock.json"
    return mark.exists() and mark.stat().st_mtime >= LOCK.stat().st_mtime
