"""A small HTTP server with known behaviour: ``python target.py PORT``."""

from __future__ import annotations

import asyncio
import random
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

rng = random.Random(7)


async def health(request: Request) -> Response:
    return PlainTextResponse("ok")


async def varied(request: Request) -> Response:
    """Answer after a lognormal time around 8 ms."""
    await asyncio.sleep(rng.lognormvariate(-4.8, 0.7))
    return PlainTextResponse("ok")


async def slow(request: Request) -> Response:
    await asyncio.sleep(2)
    return PlainTextResponse("ok")


async def broken(request: Request) -> Response:
    return PlainTextResponse("broken", status_code=503)


async def endpoint(request: Request) -> Response:
    return PlainTextResponse("ok")


async def main(port: int) -> None:
    routes = [Route("/health", health), Route("/varied", varied, methods=["GET", "POST"]), Route("/slow", slow)]
    app = Starlette(routes=[*routes, Route("/broken", broken), Route("/api/endpoint", endpoint)])
    await uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", timeout_graceful_shutdown=1)).serve()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
