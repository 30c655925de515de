"""Hosts are looked up as ever, and what that costs is told."""

from __future__ import annotations

import _socket

import pytest
from gevent.resolver.thread import Resolver

from perflab.record import names


@pytest.mark.parametrize(("host", "waits"), [("127.0.0.1", 0), ("::1", 0), ("localhost", 1)])
@pytest.mark.parametrize("how", [(), (_socket.AF_UNSPEC, _socket.SOCK_STREAM, _socket.IPPROTO_TCP)])
def test_only_a_name_waits_for_a_thread(
    host: str, waits: int, how: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[int] = []
    # So that it is as it was afterwards.
    monkeypatch.setattr(Resolver, "getaddrinfo", Resolver.getaddrinfo)
    names.install(waited)
    assert Resolver().getaddrinfo(host, 80, *how) == _socket.getaddrinfo(host, 80, *how)
    assert len(waited) == waits
    assert all(wait >= 0 for wait in waited)
