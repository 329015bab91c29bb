"""docs/configuration.md is what the model says."""

import stat

from pydantic import BaseModel

from gomail import settings_page
from gomail.provider_settings import KEY_VARIABLES, PROVIDER_KINDS
from gomail.settings import Settings
from tests.docs.pages import ROOT, text
from tests.local.running import command


def keys(model, prefix=""):
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from keys(field.annotation, f"{prefix}{name}.")
        elif name != "providers":
            yield f"{prefix}{name}", field.description
    if model is Settings:
        for kind, part in PROVIDER_KINDS.items():
            yield from keys(part, f"providers.{kind}.")


def test_the_page_is_current():
    assert text(settings_page.FILE) == settings_page.page(), (
        "docs/configuration.md is stale: run `.venv/bin/python -m gomail config-page`"
    )


def test_every_setting_is_on_the_page_with_its_meaning():
    page = settings_page.page()

    settings = dict(keys(Settings))

    assert len(settings) > 25
    assert [key for key in settings if f"| `{key}` |" not in page] == []
    assert [key for key, meaning in settings.items() if not meaning or meaning not in page] == []


def test_the_variables_are_on_the_page():
    page = settings_page.page()

    for variable in ("GOMAIL_CONFIG", "AWS_REGION", *KEY_VARIABLES.values()):
        assert f"`{variable}`" in page


def test_the_command_writes_it(tmp_path):
    file = tmp_path / "page.md"

    with command("config-page", str(file), folder=tmp_path) as written:
        assert written.ends() == 0

    assert file.read_text() == settings_page.page()


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path):
    with command("config-page", str(tmp_path / "none" / "page.md"), folder=tmp_path) as refused:
        assert refused.ends() == 1

    assert refused.said.endswith("page.md: cannot be written (No such file or directory)\n")


def test_the_script_of_ci_can_be_run():
    assert (ROOT / ".ci" / "run").stat().st_mode & stat.S_IXUSR
