"""A raw HTTP server with the behaviours that a wire clock must stand: ``python odd_server.py PORT [CERTIFICATE]``.

Each path waits in its own way; with a certificate it speaks TLS.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from weakref import WeakKeyDictionary

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LARGE = b"x" * 2_000_000
# By connection, how often it has asked for "/third".
ASKED: WeakKeyDictionary[asyncio.StreamWriter, int] = WeakKeyDictionary()


def refused(writer: asyncio.StreamWriter) -> bool:
    """Whether this connection has to ask again: only each third time it is answered."""
    ASKED[writer] = ASKED.get(writer, 0) + 1
    return ASKED[writer] % 3 != 0


async def answer(path: str, query: str, method: str, writer: asyncio.StreamWriter) -> bool:
    """Answer one request; return whether the connection stays open."""
    await asyncio.sleep(0.02)
    if path == "/redirect":
        location = (query or "/plain").encode()
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % location)
    elif path == "/chunked":
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for chunk in (b"5\r\nhello\r\n", b"5\r\nworld\r\n", b"0\r\n\r\n"):
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(0.01)
    elif path == "/large":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LARGE) + LARGE)
    elif path == "/third" and refused(writer):
        writer.write(b"HTTP/1.1 503 Not yet\r\nContent-Length: 0\r\n\r\n")
    elif path == "/error":
        writer.write(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")
    elif path == "/closes":
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
    elif path == "/hangs":
        await asyncio.sleep(60)
    elif path == "/breaks":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    elif method == "HEAD":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
    else:
        writer.write(PLAIN)
    await writer.drain()
    return path not in ("/closes", "/breaks")


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while line := await reader.readline():
            method, path, _ = line.decode().split(" ")
            path, _, query = path.partition("?")
            length = 0
            while (header := await reader.readline()) not in (b"\r\n", b""):
                if header.lower().startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            await reader.readexactly(length)
            if path == "/health":
                writer.write(PLAIN)
                await writer.drain()
            elif not await answer(path, query, method, writer):
                break
    except (OSError, asyncio.IncompleteReadError):
        return
    finally:
        writer.close()


async def main(port: int, certificate: str | None) -> None:
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=context)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None))
