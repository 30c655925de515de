"""A server that tells whom it has served: ``python counting_target.py PORT NAME FILE [FAILING_SHARE [MS]]``.

At its end it appends a line of JSON to FILE: its name, and requests by user as the header X-User names them.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

PORT, NAME, FILE, *REST = sys.argv[1:]
failing = float(REST[0]) if REST else 0.0
delay_s = float(REST[1]) / 1000 if len(REST) > 1 else 0.0
served: Counter[str] = Counter()
number = itertools.count()


async def health(request: Request) -> Response:
    return PlainTextResponse("ok")


async def count(request: Request) -> Response:
    served[request.headers["x-user"]] += 1
    await asyncio.sleep(delay_s)
    return PlainTextResponse("no", status_code=503) if next(number) % 10 < 10 * failing else PlainTextResponse("ok")


@contextlib.asynccontextmanager
async def write_at_end(app: Starlette) -> AsyncIterator[None]:
    yield
    with Path(FILE).open("a") as file:
        file.write(json.dumps({"name": NAME, "served": served}) + "\n")


async def main() -> None:
    routes = [Route("/health", health), Route("/count", count)]
    app = Starlette(routes=routes, lifespan=write_at_end)
    config = uvicorn.Config(app, port=int(PORT), log_level="warning", timeout_graceful_shutdown=1)
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(main())
