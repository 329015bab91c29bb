"""On what something was measured: cores, kernel and versions, without the name of the machine."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = (
    *("aiohttp", "boto3", "bytewax", "fastapi", "httptools", "orjson", "pydantic", "uvicorn"),
    "uvloop",
)


def machine() -> dict[str, str]:
    """By what it is."""
    packages = {name: found for name in _PACKAGES if (found := _version(name))}
    return {
        "cores": f"{len(os.sched_getaffinity(0))} ({_processor()})",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        **packages,
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # the figures of what is there do not depend on it
        return ""


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
