"""Links lead somewhere, and the files hold nothing of anybody's machine."""

import re

import pytest

from tests.docs.pages import ROOT, tracked

if not (ROOT / ".git").exists():
    pytest.skip("the list of files is git's, and this is no clone", allow_module_level=True)

PAGES = [file for file in tracked() if file.suffix == ".md"]

# Written in parts, or this file would hold them.
REGISTRIES = ["py" + "pi.org", "python" + "hosted.org", "registry." + "npmjs", "registry." + "yarn"]
HOMES = re.compile("/" + r"(?:home/\w|root/|Users/\w|work/(?:main|shared))")


def named(file):
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_to_files_resolve(page):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))

    local = [link for link in links if not re.match(r"[a-z]+:", link)]

    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("words", [*REGISTRIES, HOMES], ids=["a", "b", "c", "d", "homes"])
def test_no_file_names_a_package_registry_or_somebody_s_folder(words):
    pattern = words if isinstance(words, re.Pattern) else re.compile(re.escape(words))

    found = [
        named(file)
        for file in tracked()
        if pattern.search(file.read_bytes().decode("utf-8", errors="replace"))
    ]

    assert found == []
