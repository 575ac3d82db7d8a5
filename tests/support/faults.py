"""A loopback HTTP server that misbehaves on demand, for tests of whatever speaks HTTP.

    async with FaultyServer(reset(), answer(b"{}")) as server:
        ...  # the first request to server.url is cut off, all others are answered

Each request is met by the next scene; the last scene stays. `server.play(...)` puts others in
their place while it runs. What arrived is in `server.requests`, one `Received` each.
"""

from __future__ import annotations

import asyncio
import gzip
import shlex
import socket
import ssl
import struct
import subprocess
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived; header names are lower case, `connection` counts from 1."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int


class Connection:
    """One accepted connection, as a scene sees it."""

    def __init__(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.number = number
        self.reader = reader
        self.writer = writer

    async def send(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    async def until_the_client_leaves(self) -> None:
        await self.reader.read()

    def close(self) -> None:
        self.writer.close()

    async def closed(self) -> None:
        """Close it and wait until nothing of it is left."""
        self.close()
        with suppress(OSError):
            await self.writer.wait_closed()

    def reset(self) -> None:
        """Send a TCP reset rather than an orderly end."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Scene = Callable[[Connection], Awaitable[None]]
"""What happens after a request was read. A connection that it leaves open is kept alive."""


def response(
    body: bytes = b"",
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    content_length: int | None = None,
) -> bytes:
    """Return a response as it goes over the wire; `content_length` may be a lie."""
    phrase = HTTPStatus(status).phrase if status in list(HTTPStatus) else "?"
    lines = [f"HTTP/1.1 {status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if "Transfer-Encoding" not in (headers or {}):
        lines.append(f"Content-Length: {len(body) if content_length is None else content_length}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def raw(payload: bytes) -> Scene:
    """Send these bytes, HTTP or not, and keep the connection."""

    async def play(connection: Connection) -> None:
        await connection.send(payload)

    return play


def answer(
    body: bytes = b"{}", *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Scene:
    """Answer as a healthy server does."""
    return raw(response(body, status=status, headers=headers))


def answer_and_close(body: bytes = b"{}") -> Scene:
    """Answer, promise to keep the connection, close it."""

    async def play(connection: Connection) -> None:
        await connection.send(response(body))
        connection.close()

    return play


def answer_when(released: asyncio.Event, body: bytes = b"{}") -> Scene:
    """Answer once the event is set."""

    async def play(connection: Connection) -> None:
        await released.wait()
        await connection.send(response(body))

    return play


def redirect(location: str, *, status: int = 302) -> Scene:
    """Point elsewhere."""
    return answer(b"", status=status, headers={"Location": location})


def never_answer() -> Scene:
    """Never answer; ends when the client gives up."""

    async def play(connection: Connection) -> None:
        await connection.until_the_client_leaves()

    return play


def drip(payload: bytes, *, every: float) -> Scene:
    """Send one byte after the other, `every` seconds."""

    async def play(connection: Connection) -> None:
        for byte in payload:
            await connection.send(bytes([byte]))
            await asyncio.sleep(every)

    return play


def truncate(payload: bytes) -> Scene:
    """Send these bytes, the beginning of an answer, and close."""

    async def play(connection: Connection) -> None:
        await connection.send(payload)
        connection.close()

    return play


def reset() -> Scene:
    """Cut the connection off instead of answering."""

    async def play(connection: Connection) -> None:
        connection.reset()

    return play


def gzip_bomb(mebibytes: int) -> bytes:
    """Return so many mebibytes of zeros, compressed a thousandfold."""
    return gzip.compress(bytes(mebibytes << 20))


class FaultyServer:
    """Listens on a free loopback port while entered; see the module's docstring.

    What `on_connect` holds is played as soon as a connection is there, instead of reading from it.
    """

    def __init__(self, *scenes: Scene, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Received] = []
        self.connections = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.on_connect: Scene | None = None
        self.url = ""
        self._scenes = deque(scenes or (answer(),))
        self._tls = tls
        self._is_closed = False
        self._open: dict[Connection, asyncio.Task[None]] = {}
        self._changed = asyncio.Condition()

    def play(self, *scenes: Scene) -> None:
        """Put these scenes in the place of the present ones, from the next request on."""
        self._scenes = deque(scenes)

    def reset_all(self) -> None:
        """Cut every open connection off."""
        for connection in self._open:
            connection.reset()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until a claim about this server holds; checked as requests come and go."""
        async with self._changed:
            await self._changed.wait_for(holds)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{port}"
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.close()
        self._is_closed = True
        serving = dict(self._open)
        for task in serving.values():
            task.cancel()
        await asyncio.gather(*serving.values(), return_exceptions=True)
        # A task that is cancelled before its first step has closed nothing.
        await asyncio.gather(*(connection.closed() for connection in serving))
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_closed:  # it was accepted just before
            writer.close()
            return
        self.connections += 1
        connection = Connection(self.connections, reader, writer)
        self._open[connection] = asyncio.create_task(self._serve(connection))

    async def _serve(self, connection: Connection) -> None:
        try:
            if self.on_connect:
                await self.on_connect(connection)
                connection.close()
            while not connection.writer.is_closing():
                self.requests.append(await _read_request(connection))
                await self._count(1)
                try:
                    await self._next_scene()(connection)
                finally:
                    await self._count(-1)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client left, or the scene cut it off
        finally:
            del self._open[connection]
            await connection.closed()

    def _next_scene(self) -> Scene:
        return self._scenes.popleft() if len(self._scenes) > 1 else self._scenes[0]

    async def _count(self, change: int) -> None:
        self.in_flight += change
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        async with self._changed:
            self._changed.notify_all()


async def _read_request(connection: Connection) -> Received:
    head = await connection.reader.readuntil(b"\r\n\r\n")
    request, *fields = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    method, target, _ = request.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (f.partition(":") for f in fields)}
    body = await connection.reader.readexactly(int(headers.get("content-length", 0)))
    return Received(method, target, headers, body, connection.number)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate for 127.0.0.1 that is its own authority."""

    ca_file: Path
    server: ssl.SSLContext


def self_signed(directory: Path) -> Certificate:
    """Make one with the `openssl` command; takes some milliseconds."""
    certificate, key = directory / "ca.pem", directory / "key.pem"
    command = shlex.split(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
        " -subj /CN=loopback -addext subjectAltName=IP:127.0.0.1"
        " -addext keyUsage=critical,digitalSignature,keyCertSign"
    )
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    return Certificate(certificate, server)
