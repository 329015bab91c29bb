"""One measured run of the HTTP API: many connections at once, and one request alone."""

import http.client
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.load import request
from benchmarks.measuring import PATIENCE, Run, RunFailed, Show
from benchmarks.processes import ROOT, Running, running
from benchmarks.standin.client import Standin
from benchmarks.systems import PROVIDERS, Place, gomail_environment, write_settings

API = "gomail API"
CONNECTIONS = 64
SQS_LATENCY = 0.01
"""Seconds SQS takes to confirm a send: about what it takes within a region."""
_COMMAND = (
    *(sys.executable, "-m", "uvicorn", "--factory", "ingest.app:create_app"),
    *("--host", "127.0.0.1", "--port", "0", "--no-access-log"),
)


def ingest(standin: Standin, show: Show, *, seconds: float, alone: int) -> Run:
    """So many seconds of full load, then so many requests one after the other."""
    standin.reset(sqs={"latency": SQS_LATENCY})
    with tempfile.TemporaryDirectory(prefix="gomail-bench-") as name:
        place = Place(standin.plain, standin.ca, Path(name))
        write_settings(place, providers=PROVIDERS, dispatch={})
        log = place.folder / "api.log"
        with running(_COMMAND, gomail_environment(place), log) as api:
            show("starting")
            url = _ready(api)
            show("full load")
            _load(url, min(2.0, seconds))  # connections and caches warm
            loaded = _measured(standin, api, lambda: _load(url, seconds))
            show("one request at a time")
            ways = {
                "alone_ms": _alone(url, alone, _to_api),
                "sqs_alone_ms": _alone(standin.plain, alone, _to_sqs),
            }
            return {**loaded, **ways, "rss_mb": api.peak_rss}


def _measured(standin: Standin, api: Running, work: Callable[[], dict[str, Any]]) -> Run:
    before, used = standin.result(), api.cpu
    began = time.monotonic()
    load = work()
    took = time.monotonic() - began
    used, after = api.cpu - used, standin.result()
    sent = after["sent"] - before["sent"]
    asked = sum(after["operations"].values()) - sum(before["operations"].values())
    return {
        **load,
        "rate": load["posts"] / load["seconds"],
        "cpu_us": used * 1e6 / sent,
        "sent": sent,
        "requests_an_email": asked / sent,
        "standin_busy": (after["cpu_seconds"] - before["cpu_seconds"]) / took,
    }


def _ready(api: Running) -> str:
    deadline = time.monotonic() + PATIENCE
    while not (said := re.search(r"Uvicorn running on (\S+)", api.log.read_text())):
        if api.has_ended or time.monotonic() > deadline:
            raise RunFailed(f"the API does not start:\n{api.tail()}")
        time.sleep(0.1)
    return said[1]


def _load(url: str, seconds: float) -> Any:
    if shutil.which("wrk"):
        script = Path(__file__).with_name("wrk.lua")
        sizes = ["-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s"]
        command = ["wrk", *sizes, "--latency", "-s", str(script), url]
    else:
        command = [sys.executable, "-m", "benchmarks.load", url, str(CONNECTIONS), str(seconds)]
    said = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(said.strip().rpartition("\n")[2])


Ask = Callable[[http.client.HTTPConnection, str, int], None]


def _alone(url: str, times: int, ask: Ask) -> float:
    """Median milliseconds of requests on one connection, each after the other's answer."""
    host = urlsplit(url).netloc
    connection = http.client.HTTPConnection(host)
    delays = []
    for number in range(times):
        began = time.perf_counter()
        ask(connection, host, number)
        answer = connection.getresponse()
        answer.read()
        delays.append((time.perf_counter() - began) * 1_000)
        if answer.status != 200:
            raise RunFailed(f"{url} answers {answer.status}")
    connection.close()
    return statistics.median(delays)


def _to_api(connection: http.client.HTTPConnection, host: str, number: int) -> None:
    body = request(host, 10_000_000 + number).partition(b"\r\n\r\n")[2]
    connection.request("POST", "/email/send", body, {"Content-Type": "application/json"})


def _to_sqs(connection: http.client.HTTPConnection, host: str, number: int) -> None:
    body = request(host, number).partition(b"\r\n\r\n")[2].decode()
    entries = [{"Id": "0", "MessageBody": body}]
    call = {"QueueUrl": f"http://{host}/000000000000/alone", "Entries": entries}
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "AmazonSQS.SendMessageBatch",
    }
    connection.request("POST", "/", json.dumps(call), headers)
