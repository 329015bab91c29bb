"""`python -m benchmarks.standin FOLDER`: start, tell where in one line of JSON, run until killed.

The folder gets the certificates.
"""

import asyncio
import gc
import json
import sys
from pathlib import Path

import uvloop

from benchmarks.standin import certificates
from benchmarks.standin.service import Service

HOST = "127.0.0.1"


async def main(folder: Path) -> None:
    """Serve plain HTTP and TLS, each on a free port."""
    loop = asyncio.get_running_loop()
    service = Service(loop)
    context, trusted = certificates.make(folder)
    plain = await loop.create_server(service.connection, HOST, 0, backlog=1_024)
    secure = await loop.create_server(service.connection, HOST, 0, backlog=1_024, ssl=context)
    ports = [server.sockets[0].getsockname()[1] for server in (plain, secure)]
    where = {
        "plain": f"http://{HOST}:{ports[0]}",
        "tls": f"https://{HOST}:{ports[1]}",
        "ca": str(trusted),
    }
    print(json.dumps(where), flush=True)
    gc.set_threshold(50_000, 50, 100)
    await service.tick()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1])))
