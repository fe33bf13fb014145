"""A real S3 server on loopback, and a proxy before it that breaks connections where a test says."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from math import inf

import pytest
from moto.server import ThreadedMotoServer

SECRET = "a-secret-of-the-test"
ANSWER = "HTTP/1.1 {}\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}"


class Proxy:
    """Passes connections to a port on, until it is told to break."""

    def __init__(self, port: int) -> None:
        self._answer: bytes | None = None
        self._left: dict[str, float] = {}
        self._lock = threading.Lock()
        self._behind = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        self.heal()

    def heal(self) -> None:
        """Pass everything on."""
        self._answer, self._left = None, {"up": inf, "down": inf}

    def die_after(self, *, up: float = inf, down: float = inf) -> None:
        """Pass so many more bytes up to the server or down to clients, then cut every connection, old and new."""
        self._left = {"up": up, "down": down}

    def refuse(self, status: str, code: str) -> None:
        """Answer new connections with an error as S3 words it, and cut old ones."""
        body = f"<Error><Code>{code}</Code><Message>by the test</Message></Error>"
        self._answer = ANSWER.format(status, len(body), body).encode()
        self.die_after(up=0)

    def close(self) -> None:
        """Stop listening: from now on connections are refused."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            if self._answer is not None:
                client.recv(65536)
                client.sendall(self._answer)
                return
            with socket.create_connection(("127.0.0.1", self._behind)) as server:
                up = threading.Thread(target=self._pump, args=(client, server, "up"), daemon=True)
                up.start()
                self._pump(server, client, "down")
                up.join(10)

    def _pump(self, source: socket.socket, sink: socket.socket, way: str) -> None:
        """Move bytes until either end closes or the proxy dies, then close both."""
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                passed = self._passed(len(data), way)
                sink.sendall(data[:passed])
                if passed < len(data):
                    break
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _passed(self, n_bytes: int, way: str) -> int:
        with self._lock:
            passed = int(min(n_bytes, self._left[way]))
            self._left[way] -= passed
            return passed


@contextlib.contextmanager
def object_server(bucket: str) -> Iterator[Proxy]:
    """A proxy before a server with one empty bucket; the environment names it as endpoint, with credentials."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    proxy = Proxy(server.get_host_and_port()[1])
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE", "HTTP_PROXY", "http_proxy"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "studbook")
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("NO_PROXY", "127.0.0.1")
        _make_bucket(bucket)
        try:
            yield proxy
        finally:
            proxy.close()
            server.stop()


def _make_bucket(bucket: str) -> None:
    from fitness.object_store import place_of

    place_of(f"s3://{bucket}").system.mkdir(bucket)
