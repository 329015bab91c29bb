"""What an email brought, given to a browser so that it can do no harm there. Pure."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import quote

from aiohttp import web

if TYPE_CHECKING:
    from sandbox.mailbox import Email, File

_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+", re.IGNORECASE)
_IMAGE = re.compile(r"""(["'])cid:([A-Za-z0-9._@+-]{1,78})\1""")
_GUARDS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
# `sandbox` without a word allows neither scripts nor forms nor windows, also to somebody who opens
# the page by itself.
_NOTHING = "sandbox; default-src 'none'; form-action 'none'; base-uri 'none'"


def html_answer(email: Email) -> web.Response:
    """The HTML as a page that runs nothing and fetches nothing; its own images are put into it."""
    images = {file.content_id: file for file in email.files}

    def image(found: re.Match[str]) -> str:
        file = images.get(found[2])
        return found[0] if file is None else f"{found[1]}{_data_url(file)}{found[1]}"

    policy = f"{_NOTHING}; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
    return web.Response(
        body=_IMAGE.sub(image, email.html or "").encode(),
        headers={
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": policy,
            **_GUARDS,
        },
    )


def attachment_answer(file: File) -> web.Response:
    """The exact bytes, to be saved and not to be shown."""
    return web.Response(
        body=file.data,
        headers={
            "Content-Type": _type(file),
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name, safe='')}",
            "Content-Security-Policy": f"{_NOTHING}; frame-ancestors 'none'",
            **_GUARDS,
        },
    )


def _data_url(file: File) -> str:
    return f"data:{_type(file)};base64,{b64encode(file.data).decode()}"


def _type(file: File) -> str:
    given = file.content_type
    return given if _TYPE.fullmatch(given) else "application/octet-stream"
