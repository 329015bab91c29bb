"""All providers. A new one is one more row here, and the whole suite runs for it."""

from tests.providers.brevo_case import BREVO
from tests.providers.mailgun_case import MAILGUN
from tests.providers.postmark_case import POSTMARK
from tests.providers.resend_case import RESEND
from tests.providers.sendgrid_case import SENDGRID
from tests.providers.ses_case import SES

CASES = (SES, SENDGRID, POSTMARK, RESEND, MAILGUN, BREVO)
