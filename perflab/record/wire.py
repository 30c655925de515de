"""The wire clock: when bytes really left and arrived, measured at gevent's sockets, so that it works for any client.

Linux timestamps each TCP segment on arrival (SO_TIMESTAMPNS) and passes the stamp on with the bytes. However late a
busy generator reads them, the stamp is that of their arrival. Data is read with recvmsg, which returns the stamp of the
last segment read; with TLS, OpenSSL reads the bytes itself, so the stamp is peeked at before.

Opening a connection has no stamp. Its time is the kernel's own measurement of the handshake's round trip (TCP_INFO), or
what the client measured if the kernel had to retransmit, or on other systems.
"""

from __future__ import annotations

import _socket
import struct
import sys
from collections.abc import Callable
from functools import wraps
from time import time_ns
from typing import Any

import gevent.socket
import gevent.ssl
from gevent import getcurrent
from gevent._socketcommon import timeout_default

from perflab.record.exchange import current_exchange

# Python has no name for it before 3.14. The value holds on Linux for all but a few rare architectures.
SO_TIMESTAMPNS = 35
unpack = struct.Struct("qq").unpack
_U32 = struct.Struct("I")
_ANCILLARY = 64
# Offsets in struct tcp_info.
_TCP_INFO_SIZE, _RTT_US, _RETRANSMITTED = 104, 68, 100
_INTERNET = (_socket.AF_INET, _socket.AF_INET6)
_KIND = 0xF
# Larger than nearly all receive queues.
_scratch = bytearray(1 << 18)
# SSLSocket's own recvmsg_into only raises.
_recvmsg_into = _socket.socket.recvmsg_into
woken_late_ns: list[int] = []
"""For each wait within a request: how long the event loop took to wake the client up once its wait was over, in ns.

Clients wait for bytes, a connection, a name, the end of a sleep, or for nothing, when they let others run first.
Whoever reads the list empties it.
"""

AVAILABLE = sys.platform == "linux"

_Socket: Any = gevent.socket.socket
_TlsSocket: Any = gevent.ssl.SSLSocket


def install() -> None:
    """Instrument gevent's socket classes; does nothing if the kernel has no receive times."""
    if not AVAILABLE:
        return
    # Only sockets that connect matter: servers and UDP keep their methods.
    _Socket.connect = _connecting(_Socket.connect)
    _Socket.connect_ex = _connecting(_Socket.connect_ex)
    _TlsSocket.send = _sending_tls(_TlsSocket.send)
    _TlsSocket.read = _reading_tls(_TlsSocket.read)
    _TlsSocket.do_handshake = _shaking_hands(_TlsSocket.do_handshake)
    _TlsSocket._wait = _waiting_tls(_TlsSocket._wait)


def keep_stamping() -> Any:
    """Return a socket that makes the kernel stamp all segments for as long as it is open.

    The kernel starts stamping shortly after the first socket asks for it, and stops when none does any more: without
    this socket, responses on a single new connection could arrive without a stamp.
    """
    keeper = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    if AVAILABLE:
        keeper.setsockopt(_socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    return keeper


class StampedSocket(_Socket):  # type: ignore[misc]
    """A gevent socket that notes when it sends and when data arrived; connecting turns a socket into one.

    `sendall` and `recv` are called for every request, and the generator's time is precious: the usual case of
    `current_exchange`, `begin` and `stamp` is inlined in them.
    """

    __slots__ = ()

    def send(self, data: Any, flags: int = 0, timeout: Any = timeout_default) -> Any:
        """Send as gevent does."""
        current_exchange().begin()
        return _Socket.send(self, data, flags, timeout)

    def sendall(self, data: Any, flags: int = 0) -> Any:
        """Send as gevent does, but try to send everything at once first, which is cheaper for a short request."""
        try:
            exchange = getcurrent().perflab_exchange
            if exchange.idle or exchange.returned:
                exchange = current_exchange()
        except AttributeError:
            exchange = current_exchange()
        if exchange.arrived:
            exchange.begin()
        elif not exchange.sent:
            exchange.sent = time_ns()
        if type(data) is not bytes:
            return _Socket.sendall(self, data, flags)
        try:
            sent = self._sock.send(data, flags)
        except BlockingIOError:
            # The send buffer is full: gevent waits and tries again.
            sent = 0
        return None if sent == len(data) else _Socket.sendall(self, memoryview(data)[sent:], flags)

    def recv(self, size: int, flags: int = 0) -> Any:
        """Receive as gevent does."""
        if flags or self.timeout == 0.0:
            return _Socket.recv(self, size, flags)
        try:
            exchange = getcurrent().perflab_exchange
            if exchange.idle or exchange.returned:
                exchange = current_exchange()
        except AttributeError:
            exchange = current_exchange()
        asked = woken = 0
        if exchange.sent and not exchange.arrived:
            # The response to what was just sent can't be here yet: trying first would only cost an exception.
            asked = time_ns()
            self._wait(self._read_event)
            woken = time_ns()
        while True:
            try:
                data, ancillary, _, _ = self._sock.recvmsg(size, _ANCILLARY)
            except BlockingIOError:
                self._wait(self._read_event)
                woken = time_ns()
            else:
                if ancillary:
                    seconds, ns = unpack(ancillary[0][2])
                    at = seconds * 1_000_000_000 + ns
                    if woken:
                        # A client that asks late for a response has not been kept waiting before.
                        woken_late_ns.append(woken - (at if at > asked else asked))
                    if at > exchange.arrived and at >= exchange.sent > 0:
                        exchange.arrived = at
                return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> Any:
        """Receive as gevent does."""
        if flags or self.timeout == 0.0:
            return _Socket.recv_into(self, buffer, nbytes, flags)
        exchange = current_exchange()
        asked = woken = 0
        if exchange.sent and not exchange.arrived:
            asked = time_ns()
            self._wait(self._read_event)
            woken = time_ns()
        target = memoryview(buffer).cast("B")[:nbytes] if nbytes else buffer
        while True:
            try:
                count, ancillary, _, _ = self._sock.recvmsg_into((target,), _ANCILLARY)
            except BlockingIOError:
                self._wait(self._read_event)
                woken = time_ns()
            else:
                if ancillary:
                    at = exchange.stamp(*unpack(ancillary[0][2]))
                    if woken:
                        woken_late_ns.append(woken - (at if at > asked else asked))
                return count


def _connecting(connect: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(connect)
    def connecting(self: Any, address: Any) -> Any:
        raw = self._sock
        if raw.family not in _INTERNET or raw.type & _KIND != _socket.SOCK_STREAM:
            return connect(self, address)
        raw.setsockopt(_socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        if type(self) is _Socket:
            # gevent's sockets have no room for an attribute, and others needn't check for one at every call.
            self.__class__ = StampedSocket
        exchange = current_exchange()
        exchange.begin()
        began, tried = exchange.sent, time_ns()
        result = connect(self, address)
        if not result:
            # Attempts before belong to it: another address, or a stale connection.
            seen = time_ns() - tried
            took = _round_trip(raw, seen)
            woken_late_ns.append(seen - took)
            exchange.end_part(tried - began + took, connecting=True)
        return result

    return connecting


def _round_trip(raw: Any, seen: int) -> int:
    """Return how long connecting took in ns: by the kernel, or as `seen` by the client if it had to retransmit."""
    try:
        info = raw.getsockopt(_socket.IPPROTO_TCP, _socket.TCP_INFO, _TCP_INFO_SIZE)
        (rtt_us,), (again,) = _U32.unpack_from(info, _RTT_US), _U32.unpack_from(info, _RETRANSMITTED)
    except (OSError, struct.error):
        return seen
    return min(rtt_us * 1000, seen) if rtt_us and not again else seen


def _sending_tls(send: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(send)
    def sending(self: Any, data: Any, flags: int = 0, timeout: Any = timeout_default) -> Any:
        if not self.server_side:
            current_exchange().begin()
        return send(self, data, flags, timeout)

    return sending


def _reading_tls(read: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(read)
    def reading(self: Any, nbytes: int = 2014, buffer: Any = None) -> Any:
        _peek(self)
        return read(self, nbytes, buffer)

    return reading


def _waiting_tls(wait: Callable[..., Any]) -> Callable[..., Any]:
    def waiting(self: Any, watcher: Any, timeout_exc: Any = None) -> None:
        wait(self, watcher, timeout_exc)
        if watcher is self._read_event:
            _peek(self, woken=time_ns())

    return waiting


def _shaking_hands(do_handshake: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(do_handshake)
    def shaking_hands(self: Any) -> Any:
        if self.server_side:
            return do_handshake(self)
        exchange = current_exchange()
        exchange.begin()
        result = do_handshake(self)
        exchange.end_part(None if exchange.arrived else time_ns() - exchange.sent, connecting=True)
        return result

    return shaking_hands


def _peek(self: Any, woken: int = 0) -> None:
    """Take the stamp of the data that has arrived and not been read yet; OpenSSL reads it without stamps.

    `woken` is when the reader was woken up for it, if it had to wait.
    """
    if self.server_side:
        return
    try:
        _, ancillary, _, _ = _recvmsg_into(self._sock, (_scratch,), _ANCILLARY, _socket.MSG_PEEK)
    except OSError:
        # There is no data, or the connection is gone: the reader will notice.
        return
    if ancillary:
        at = current_exchange().stamp(*unpack(ancillary[0][2]))
        if woken:
            woken_late_ns.append(woken - at)
