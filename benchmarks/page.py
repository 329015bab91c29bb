"""Puts figures and plots into the docs, so that the same figures make the same files."""

import re
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

END = "<!-- end of figures -->"


def between(page: Path, start: str) -> str:
    """What stands between the marker `start` and the end of figures."""
    return page.read_text(encoding="utf-8").partition(start)[2].partition(END)[0]


def put_between(page: Path, start: str, figures: str) -> None:
    """Put it there instead."""
    before, _, rest = page.read_text(encoding="utf-8").partition(start)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{start}\n{figures}\n{END}{after}", encoding="utf-8")


def save(figure: Figure, path: Path) -> None:
    """Save a plot as a small SVG, without date and needless digits."""
    path.parent.mkdir(exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "gomail"}):
        figure.savefig(path, metadata={"Date": None, "Creator": None}, bbox_inches="tight")
    drawn = path.read_text(encoding="utf-8")
    drawn = re.sub(r"\d+\.\d{3,}", lambda found: f"{float(found[0]):.1f}", drawn)
    path.write_text(re.sub(r" +$", "", drawn, flags=re.MULTILINE), encoding="utf-8")
