"""A session of our own starts without what it does not need, and leaves no folder behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.ray_start import KEPT_S, OURS, sweep_sessions, tidied
from strategies.errors import ClusterError

SESSION = """
import os
from pathlib import Path
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import ray
from cluster.ray_start import lean_start, session_folder, tidied
with tidied() as claim:
    with lean_start():
        ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, configure_logging=False,
                 object_store_memory=80 * 2**20)
    folder = session_folder(ray)
    claim(folder)
    assert ray.get(ray.remote(lambda: 6 * 7).remote()) == 42
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1] == str(os.getpid()):
                print(Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\\0", b" ").decode()[:400])
        except OSError:
            pass
    assert folder.is_dir()
    ray.shutdown()
assert not folder.exists(), folder
print("tidy")
"""


def test_a_session_has_no_dashboard_no_monitors_and_leaves_no_folder():
    done = subprocess.run(
        [sys.executable, "-c", SESSION], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr
    assert "gcs_server" in done.stdout
    assert "raylet" in done.stdout
    assert not [name for name in ("dashboard/dashboard.py", "monitor.py") if name in done.stdout.split("tidy")[0]]
    assert done.stdout.endswith("tidy\n")


@pytest.fixture
def session(tmp_path):
    """A folder like that of a session whose driver was this process."""
    folder = tmp_path / f"session_2026-11-22_04-15-47_567832_{os.getpid()}"
    (folder / "logs").mkdir(parents=True)
    return folder


def test_the_folder_is_kept_where_the_session_did_not_end_well(session):
    def lose():
        with tidied() as claim:
            claim(session)
            raise ClusterError("lost")

    with pytest.raises(ClusterError, match="lost"):
        lose()
    assert (session / "logs").is_dir()
    with tidied() as claim:
        claim(session)
    assert not session.exists()


def test_only_old_folders_of_ours_whose_driver_is_gone_are_swept(session):
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    others = session.with_name(f"session_of_others_{ended.pid}")
    gone, young = (session.with_name(f"session_{name}_{ended.pid}") for name in ("old", "young"))
    for folder in (others, gone, young):
        folder.mkdir()
    for folder in (session, gone, young):
        (folder / OURS).touch()
    for folder in (session, gone):
        os.utime(folder / OURS, (1, 1))
    sweep_sessions(session.parent)
    assert sorted(session.parent.iterdir()) == sorted([session, others, young])
    assert KEPT_S > 3600.0


SIGNALS = """
import signal
def ours(number, frame): pass
signal.signal(signal.SIGTERM, ours)
from cluster.ray_session import ray_session
with ray_session(address=None, n_cpus=1):
    assert signal.getsignal(signal.SIGTERM) is ours, "within"
assert signal.getsignal(signal.SIGTERM) is ours, "afterwards"
"""


def test_a_session_that_has_ended_leaves_our_handlers_too():
    """Candidates are judged after it: SIGTERM then must still be an orderly end."""
    done = subprocess.run(
        [sys.executable, "-c", SIGNALS], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr


def test_a_session_starts_also_where_somebody_has_imported_ray_before():
    """Ray reads its settings when it is imported, and would ask our server without the token."""
    code = "import ray; from cluster.ray_session import probe_session; print(probe_session())"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout == "a session of our own starts and stops\n", done.stderr
