"""The built client: `web/dist`, built first when it is missing or older than its sources."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

WEB = Path(__file__).parents[2] / "web"
DIST = WEB / "dist"


class NotBuilt(Exception):
    """There is no build and none could be made; the message says why."""


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
        *(WEB / name for name in ("index.html", "vite.config.ts", "package-lock.json")),
    ]


def build() -> None:
    """Install what the lock file names, unless that is done, and build."""
    # A virtual environment may bring npm along, beside its Python.
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    npm = shutil.which("npm", path=search)
    if npm is None:
        raise NotBuilt("web/dist is missing or stale, and there is no npm to build it with.")
    installed = (WEB / "node_modules").exists()
    for command in ([] if installed else [["ci"]]) + [["run", "build"]]:
        done = subprocess.run(
            [npm, *command],
            cwd=WEB,
            env=os.environ | {"PATH": search},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise NotBuilt(f"npm {' '.join(command)} failed:\n{done.stdout}{done.stderr}")
