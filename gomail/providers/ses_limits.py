"""What Amazon SES cannot carry of an email, by the field at fault. Pure.

The numbers are those of its service model (`MessageHeaderList`, `MessageHeader`, `Attachment`) and
its quotas page; the endings those of its page on unsupported attachment types.
"""

from gomail.email import Attachment, Email
from gomail.providers.headers import own_headers
from gomail.providers.limits import size_limit

LIMIT = 40_000_000  # a message, after base64
MOST_HEADERS = 15  # with our id's
HEADER_LIMIT = 996  # name and value together
CONTENT_TYPE_LIMIT = 78

_BLOCKED = """
ade adp app asp bas bat cer chm cmd com cpl crt csh der exe fxp gadget hlp hta inf ins isp its js
jse ksh lib lnk mad maf mag mam maq mar mas mat mau mav maw mda mdb mde mdt mdw mdz msc msh msh1
msh2 mshxml msh1xml msh2xml msi msp mst ops pcd pif plg prf prg reg scf scr sct shb shs sys ps1
ps1xml ps2 ps2xml psc1 psc2 tmp url vb vbe vbs vps vsmacros vss vst vsw vxd ws wsc wsf wsh xnk
"""
BLOCKED_ENDINGS = frozenset(_BLOCKED.split())

_too_large = size_limit(LIMIT, "SES takes at most 40 MB", texts_in_base64=True)


def why_unable(email: Email) -> str | None:
    """Why SES could never carry this email, by the field at fault; None where it can."""
    headers = email.headers or email.list_unsubscribe is not None
    if headers and (fault := _header_fault(email)):
        return fault
    for place, attachment in enumerate(email.attachments):
        if fault := _attachment_fault(attachment):
            return f"attachments.{place}.{fault}"
    return _too_large(email)


def _header_fault(email: Email) -> str | None:
    try:
        headers = own_headers(email)
    except ValueError as error:  # translation would raise it for every attempt
        return f"headers: {error}"
    if 1 + len(headers) > MOST_HEADERS:
        ours = 1 + len(headers) - len(email.headers)
        return f"headers: SES takes at most {MOST_HEADERS}, {ours} of them gomail's"
    for name, value in headers:
        if len(name) + len(value) > HEADER_LIMIT:
            return f"headers.{name}: SES takes at most {HEADER_LIMIT} characters, name included"
    return None


def _attachment_fault(attachment: Attachment) -> str | None:
    ending = attachment.filename.rpartition(".")[2].strip().lower()
    if "." in attachment.filename and ending in BLOCKED_ENDINGS:
        return f"filename: SES takes no .{ending} files"
    if len(attachment.content_type) > CONTENT_TYPE_LIMIT:
        return f"contentType: SES takes at most {CONTENT_TYPE_LIMIT} characters"
    return None
