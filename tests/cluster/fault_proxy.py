"""A proxy between a client and an HTTP server, which does to each request what a fault says.

Faults: "pass"; "lost" (the request never arrives); "unanswered" (the server carries it out, the answer is lost);
"late" (the server carries it out after the client gave up); "hang" (no answer at all); "500", "503", "401" (the proxy
answers so itself).
"""

import http.client
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FAULTS = ("lost", "unanswered", "late", "hang", "500", "503")
PASSED_ON = ("Content-Type", "Authorization")


class FaultProxy:
    """Serves on a port of its own from now until `close`; `fault` is asked what to do before each request."""

    def __init__(self, upstream_port: int, fault: Callable[[], str], *, hang_s: float = 1.5) -> None:
        self.fault, self.hang_s, self.upstream_port = fault, hang_s, upstream_port
        self.met: list[str] = []
        self.ended: list[str] = []
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # `server_close` waits for what is late
    proxy: FaultProxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up is what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def _any(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = proxy.fault()
        proxy.met.append(fault)
        try:
            self._suffer(fault, body)
        finally:
            proxy.ended.append(fault)

    def _suffer(self, fault: str, body: bytes) -> None:
        proxy = self.server.proxy
        if fault in ("hang", "late"):
            proxy.closing.wait(proxy.hang_s)
        if fault in ("hang", "lost"):
            return
        if fault.isdigit():
            self._answer(int(fault), b"<html>out of order</html>", "text/html")
            return
        status, content, kind = self._forwarded(body)
        if fault == "pass":
            self._answer(status, content, kind)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any

    def _forwarded(self, body: bytes) -> tuple[int, bytes, str]:
        headers = {name: self.headers[name] for name in PASSED_ON if name in self.headers}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.proxy.upstream_port, timeout=60)
        try:
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers.get("Content-Type", "application/json")
        finally:
            connection.close()

    def _answer(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def settle(condition: Callable[[], bool], patience_s: float = 60.0) -> None:
    """Wait until the condition holds."""
    until = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
