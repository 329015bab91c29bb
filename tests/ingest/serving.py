"""The application behind a real uvicorn in the test's own loop, and a client that reads streams."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager, suppress

import uvicorn


@asynccontextmanager
async def serving(app):
    """Serve on a free port; gives the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, http="httptools", ws="none"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task


class Follower:
    """A reader of `/events` that takes blocks apart."""

    def __init__(self, reader, writer):
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port, query="", headers="", *, small=False):
        connection = socket.socket()
        if small:  # before connecting, so that the kernel takes in little for who does not read
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=connection, limit=65_536)
        writer.write(f"GET /events{query} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode())
        return cls(reader, writer)

    async def head(self):
        """Status and headers."""
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower().splitlines()
        return int(lines[0].split()[1]), dict(line.split(": ", 1) for line in lines[1:] if line)

    async def block(self):
        """The fields of each block that came together; a comment is the field ""."""
        text = ""
        while not text.endswith("\n\n"):
            text += await self._part()
        return [_fields(block) for block in text.strip("\n").split("\n\n")]

    async def events(self, count):
        """So many events, without what is none."""
        found = []
        while len(found) < count:
            found += [fields for fields in await self.block() if "data" in fields]
        return found

    async def ended(self):
        """Read to the end that the server has put to the stream."""
        return await self._reader.readuntil(b"0\r\n\r\n")

    async def leave(self):
        self._writer.transport.abort()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    async def _part(self):
        size = int(await self._reader.readuntil(b"\r\n"), 16)
        part = await self._reader.readexactly(size)
        await self._reader.readexactly(2)
        assert size, "the stream has ended"
        return part.decode()


def _fields(block):
    fields = dict(line.split(": ", 1) for line in block.split("\n"))
    if "data" in fields:
        fields["data"] = json.loads(fields["data"])
    return fields
