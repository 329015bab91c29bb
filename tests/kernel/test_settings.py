"""A refusal names its key and a remedy; the environment wins; secrets are not repeated."""

import traceback

import pytest
import yaml

from gomail.errors import ConfigurationError
from gomail.settings import load, provider_keys

REGION = {"AWS_REGION": "eu-west-1"}
SECRET = "SG.not-a-real-key"
QUEUE, DEAD = "https://queue.example/emails-1", "https://queue.example/dead"


def given(**parts):
    """The contents of a file: the least that is needed, and these parts instead."""
    least = {"queues": {"urls": [QUEUE], "dead_letter": DEAD}, "providers": {"ses": None}}
    return {name: part for name, part in (least | parts).items() if part != "left out"}


@pytest.fixture
def written(tmp_path):
    """Writes a file; answers where it is."""

    def write(content):
        file = tmp_path / "bytewax.yaml"
        file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return file

    return write


def refusal(file, environ=REGION):
    with pytest.raises(ConfigurationError) as refused:
        load(file, environ)
    return str(refused.value)


# -- what is taken --------------------------------------------------------------------------------


def test_queues_and_a_provider_are_all_that_is_needed(written):
    settings = load(written(given()), REGION)

    assert settings.queues.urls == [QUEUE]
    assert settings.queues.dead_letter == DEAD
    assert [(name, one.kind) for name, one in settings.providers.items()] == [("ses", "ses")]


def test_the_defaults_are_those_of_the_design(written):
    settings = load(written(given()), REGION)

    dispatch, health = settings.dispatch, settings.health
    assert (dispatch.visibility_timeout, dispatch.send_timeout) == (60, 10.0)
    assert (dispatch.max_in_flight, dispatch.max_receivers) == (256, 16)
    assert (dispatch.give_up_after, dispatch.drain_timeout) == (24 * 3_600, 15.0)
    assert (health.failure_ratio, health.unhealthy_threshold, health.healthy_threshold) == (
        0.5,
        2,
        6,
    )
    assert settings.ingest.max_body_bytes == 204_800


def test_a_provider_may_have_another_name_than_its_kind(written):
    providers = {"backup": {"kind": "ses", "weight": 3}, "sendgrid": None}

    settings = load(written(given(providers=providers)), REGION)

    assert {name: one.kind for name, one in settings.providers.items()} == {
        "backup": "ses",
        "sendgrid": "sendgrid",
    }
    assert settings.providers["backup"].weight == 3


def test_settings_cannot_be_changed(written):
    settings = load(written(given()), REGION)

    with pytest.raises(ValueError, match="frozen"):
        settings.log_level = "DEBUG"


# -- unknown and missing --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (given(nonsense=1), "nonsense"),
        (given(dispatch={"send_timout": 5}), "dispatch.send_timout"),
        (given(providers={"ses": {"wieght": 1}}), "providers.ses.wieght"),
        (given(providers={"backup": {"kind": "ses", "wieght": 1}}), "providers.backup.wieght"),
    ],
)
def test_an_unknown_key_is_named_with_its_path_and_where_to_look(written, content, key):
    file = written(content)

    assert refusal(file) == f"{file}: {key} is no setting; see docs/configuration.md"


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (given(queues="left out"), "queues"),
        (given(providers="left out"), "providers"),
        (given(queues={"dead_letter": DEAD}), "queues.urls"),
        (given(queues={"urls": [QUEUE]}), "queues.dead_letter"),
    ],
)
def test_a_missing_key_is_named_with_where_to_look(written, content, key):
    file = written(content)

    assert refusal(file) == f"{file}: {key} is missing; see docs/configuration.md"


def test_all_that_is_wrong_is_said_at_once(written):
    text = refusal(written({"queues": {}, "nonsense": 1}))

    keys = [line.split(": ", 1)[1].split(" ")[0] for line in text.splitlines()]
    assert sorted(keys) == ["nonsense", "providers", "queues.dead_letter", "queues.urls"]


def test_an_empty_file_lacks_what_is_required(written):
    assert "queues is missing" in refusal(written(""))


@pytest.mark.parametrize("empty", [{"urls": [], "dead_letter": DEAD}])
def test_an_empty_list_of_queues_is_refused(written, empty):
    assert "queues.urls: " in refusal(written(given(queues=empty)))


def test_having_no_provider_is_refused(written):
    assert "providers: " in refusal(written(given(providers={})))


# -- contradictions -------------------------------------------------------------------------------


def test_a_queue_that_is_listed_twice_is_refused(written):
    queues = {"urls": [QUEUE, QUEUE], "dead_letter": DEAD}

    text = refusal(written(given(queues=queues)))

    assert f"queues.urls: {QUEUE} is listed twice; list each queue once" in text


def test_a_queue_that_is_also_the_dead_letter_queue_is_refused(written):
    text = refusal(written(given(queues={"urls": [QUEUE], "dead_letter": QUEUE})))

    assert "queues.dead_letter: is also one of the queues; give dead letters a queue" in text


def test_a_retired_queue_that_is_still_read_is_refused(written):
    queues = {"urls": [QUEUE], "dead_letter": DEAD, "retired": [QUEUE]}

    text = refusal(written(given(queues=queues)))

    assert f"queues.retired: {QUEUE} is also in urls; take it out of one" in text


@pytest.mark.parametrize("url", ["emails-1", "ftp://queue.example/emails", "https://"])
def test_a_queue_that_is_no_url_is_refused(written, url):
    queues = {"urls": [QUEUE, url], "dead_letter": DEAD}

    assert "queues.urls.1 is not an http(s) URL" in refusal(written(given(queues=queues)))


@pytest.mark.parametrize("providers", [{"postal": None}, {"backup": {"kind": "postal"}}])
def test_an_unknown_kind_of_provider_is_refused_with_the_known_ones(written, providers):
    text = refusal(written(given(providers=providers)))

    assert f"providers.{next(iter(providers))}: kind 'postal' is not known" in text
    assert "use one of 'ses', 'sendgrid'" in text


def test_a_visibility_too_short_for_the_send_is_refused_with_the_least_that_will_do(written):
    text = refusal(written(given(dispatch={"visibility_timeout": 29})))

    assert "dispatch.visibility_timeout: 29 s is too short for send_timeout 10 s" in text
    assert "set it to 30 or more, or lower send_timeout" in text
    assert load(written(given(dispatch={"visibility_timeout": 30})), REGION)


def test_a_drain_shorter_than_a_send_is_refused_with_the_least_that_will_do(written):
    text = refusal(written(given(dispatch={"drain_timeout": 11.5})))

    assert "dispatch.drain_timeout: 11.5 s is too short for send_timeout 10 s" in text
    assert "set it to 12 or more, or lower send_timeout" in text
    assert load(written(given(dispatch={"drain_timeout": 12})), REGION)


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("dispatch", "send_timeout", 0),
        ("dispatch", "send_timeout", float("inf")),
        ("dispatch", "give_up_after", float("nan")),
        ("dispatch", "max_in_flight", 15),
        ("dispatch", "on_unknown", "ignore"),
        ("health", "failure_ratio", 1),
        ("health", "round_size", 0),
        ("health", "healthy_threshold", -1),
        ("queues", "shards", 0),
        ("ingest", "max_body_bytes", "many"),
    ],
)
def test_a_value_out_of_its_range_is_refused_with_its_key(written, part, key, value):
    content = given()
    content[part] = content.get(part, {}) | {key: value}

    assert f"{part}.{key}: " in refusal(written(content))


# -- files ----------------------------------------------------------------------------------------


def test_a_missing_file_is_refused_with_both_remedies(tmp_path):
    text = refusal(tmp_path / "bytewax.yaml")

    assert text.startswith(f"{tmp_path / 'bytewax.yaml'}: cannot be read (No such file")
    assert text.endswith("create it, or name another file in GOMAIL_CONFIG")


def test_the_variable_names_the_file(written, tmp_path):
    file = written(given())

    assert load(environ=REGION | {"GOMAIL_CONFIG": str(file)}).queues.urls == [QUEUE]
    assert "elsewhere.yaml: cannot be read" in refusal(
        None, REGION | {"GOMAIL_CONFIG": str(tmp_path / "elsewhere.yaml")}
    )


def test_a_file_that_is_no_yaml_is_refused_with_the_place(written):
    file = written("queues:\n  urls: [one\n")

    assert refusal(file).startswith(f"{file}: is no YAML: line 3, column 1")


@pytest.mark.parametrize("content", ["only words", "- a\n- list\n"])
def test_a_file_without_keys_is_refused(written, content):
    assert "must hold keys such as `queues:` at its top level" in refusal(written(content))


# -- the environment ------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_region_alone_from_the_environment_suffices(written, variable):
    assert load(written(given()), {variable: "eu-north-1"}).aws.region == "eu-north-1"


def test_a_missing_region_is_refused_with_the_variable_to_set(written):
    file = written(given())

    assert refusal(file, {}) == f"{file}: aws.region is missing; set AWS_REGION"


def test_a_region_in_the_file_suffices_too(written):
    assert load(written(given(aws={"region": "us-east-1"})), {}).aws.region == "us-east-1"


@pytest.mark.parametrize("name", ["GOMAIL_NONSENSE", "GOMAIL_DISPTACH__SEND_TIMEOUT"])
def test_an_unknown_variable_of_ours_is_refused_by_its_name(written, name):
    text = refusal(written(given()), REGION | {name: SECRET})

    assert text == f"environment: {name} is no setting; see docs/configuration.md"


def test_variables_of_others_are_left_alone(written):
    assert load(written(given()), REGION | {"GOMAILER": "x", "PATH": "/bin", "MAIL": "x"})


def test_the_environment_wins_over_the_file(written, monkeypatch):
    file = written(given(dispatch={"send_timeout": 8, "max_receivers": 3}, log_level="ERROR"))
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("GOMAIL_DISPATCH__SEND_TIMEOUT", "5")
    monkeypatch.setenv("GOMAIL_LOG_LEVEL", "DEBUG")

    settings = load(file)

    assert (settings.dispatch.send_timeout, settings.log_level) == (5.0, "DEBUG")
    assert settings.dispatch.max_receivers == 3


def test_what_the_environment_sets_is_checked_like_the_file(written, monkeypatch):
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("GOMAIL_DISPATCH__SEND_TIMEOUT", "40")

    text = refusal(written(given()), None)

    assert "dispatch.visibility_timeout: 60 s is too short for send_timeout 40 s" in text


# -- secrets --------------------------------------------------------------------------------------


def test_a_secret_in_the_file_is_refused_with_where_it_belongs_and_not_repeated(written):
    text = refusal(written(given(providers={"sendgrid": {"api_key": SECRET}})))

    assert "providers.sendgrid.api_key is no setting" in text
    assert "secrets come from the environment: " in text
    assert "SENDGRID_API_KEY" in text
    assert SECRET not in text


def test_a_provider_without_its_key_is_refused_with_the_variable_to_set(written):
    settings = load(written(given(providers={"backup": {"kind": "sendgrid"}})), REGION)

    with pytest.raises(ConfigurationError) as refused:
        provider_keys(settings, {"SENDGRID_API_KEY": ""})

    assert str(refused.value) == (
        "providers.backup has no key; set SENDGRID_API_KEY in the environment, "
        "or remove the provider"
    )


def test_keys_are_taken_for_the_providers_that_need_one(written):
    settings = load(written(given(providers={"ses": None, "sendgrid": None})), REGION)

    keys = provider_keys(settings, {"SENDGRID_API_KEY": SECRET})

    assert {name: key.get_secret_value() for name, key in keys.items()} == {"sendgrid": SECRET}
    assert SECRET not in repr(keys)


@pytest.mark.parametrize(
    "content",
    [
        "providers: {sendgrid: SG.hidden}",
        "providers: {sendgrid: {weight: SG.hidden}}",
        "providers: {sendgrid: {api_key: SG.hidden}}",
        "providers: {sendgrid: {api_key: SG.hidden",
    ],
)
def test_a_secret_in_the_wrong_place_is_repeated_nowhere(written, content):
    with pytest.raises(ConfigurationError) as refused:
        load(written(content), REGION)

    assert "SG.hidden" not in "".join(traceback.format_exception(refused.value))


def test_a_file_that_is_not_utf_8_is_refused_with_the_remedy(tmp_path):
    file = tmp_path / "bytewax.yaml"
    file.write_bytes(b"queues: \xff\xfe")

    assert refusal(file) == f"{file}: is no UTF-8 text; save it as UTF-8"


@pytest.mark.parametrize("name", ["GOMAIL_PROVIDERS", "GOMAIL_QUEUES__URLS"])
def test_a_variable_that_is_no_json_where_a_list_is_due_is_refused(written, name):
    text = refusal(written(given()), REGION | {name: "https://no.json"})

    assert text.startswith("environment: ")
    assert "JSON" in text


def test_a_wrong_variable_is_blamed_and_not_the_file(written):
    name = "GOMAIL_DISPATCH__NONSENSE"

    text = refusal(written(given()), REGION | {name: "1"})

    assert text.startswith(f"{name}: dispatch.nonsense is no setting")


def test_the_levels_of_the_log_are_named_as_they_are_written(written):
    assert "'DEBUG'" in refusal(written(given(log_level="LOUD")))
