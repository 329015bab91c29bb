"""`GET /health/live` and `/health/ready`: is the process running, and can it reach a queue?

One queue is enough to be ready: mail goes to whichever takes it. Without the ledger the process is
ready, too, and says that it is degraded: mail goes on. Probes may use HEAD.
"""

import orjson
from fastapi import FastAPI, Request, Response

from ingest import answers
from ingest.openapi import LIVE_RESPONSES, READY_RESPONSES
from ingest.parts import Memory, parts_of


def add_routes(app: FastAPI) -> None:
    """Add both routes, with HEAD beside GET."""
    for path, endpoint, name, responses in (
        ("/health/live", live, "live", LIVE_RESPONSES),
        ("/health/ready", ready, "ready", READY_RESPONSES),
    ):
        app.get(path, tags=["health"], operation_id=name, responses=responses)(endpoint)
        app.head(path, include_in_schema=False)(endpoint)


async def live() -> Response:
    """The process runs."""
    return Response(b'{"status":"ok"}', media_type=answers.JSON)


async def ready(request: Request) -> Response:
    """At least one queue can be reached."""
    parts = parts_of(request)
    reachable = await parts.watch.look()
    queues = [
        {"name": queue.rpartition("/")[2], "reachable": reached}
        for queue, reached in reachable.items()
    ]
    if any(reachable.values()):
        content = {"status": "ok", "queues": queues, **await _ledger(parts.memory)}
        return Response(orjson.dumps(content), media_type=answers.JSON)
    refused = {"errors": {"base": answers.UNAVAILABLE}, "queues": queues}
    return Response(orjson.dumps(refused), 503, {"Retry-After": "5"}, answers.JSON)


async def _ledger(memory: Memory | None) -> dict[str, str]:
    if memory is None:
        return {}
    if await memory.pulse.works():
        return {"ledger": "ok"}
    return {"status": "degraded", "ledger": "unavailable"}
