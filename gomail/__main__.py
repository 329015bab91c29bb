"""`python -m gomail`: the command line."""

from gomail.cli import app

app()
