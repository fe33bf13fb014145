"""Jobs on a Ray cluster through its Jobs API: submit, find, follow and stop them from any machine.

A submitted job is known by its id, the name of its run folder. Each try of it is one Ray submission: ID, then ID-2 and
so on, so a job that failed or was stopped is submitted again and goes on where its journal ends.
"""

import asyncio
import contextlib
import itertools
import tempfile
import time
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Self

from cluster.ray_address import CONNECT_S, asking, patient_client, prefer_token
from cluster.shipping import STOP_PATIENCE_S, Parcel, stage
from strategies.errors import ClusterError, ConfigError, UsageError

PENDING, RUNNING, SUCCEEDED, FAILED, STOPPED = "pending", "running", "succeeded", "failed", "stopped"
ENDED: Final = (SUCCEEDED, FAILED, STOPPED)
PATIENCE_S = 60.0  # with a head that has stopped answering while a job is followed
POLL_S, QUIET_S = 1.0, 5.0
EXIT_NEVER_RAN, EXIT_STOPPED = 4, 143


@dataclass(frozen=True)
class SubmittedJob:
    """One submission as the cluster tells it.

    Attributes:
        submission_id: Ray's name for it.
        job_id: name of the run folder.
        root: folder of run folders, on the cluster.
        config_hash: of what decides the job's result.
        status: one of `pending`, `running`, `succeeded`, `failed`, `stopped`.
        message: what Ray says of it.
        driver_code: exit code of the driver; None while it runs, and where it never ran or was stopped.
        started_at: ISO 8601 in UTC, None if unknown.
        ended_at: likewise.
    """

    submission_id: str
    job_id: str
    root: str
    config_hash: str
    status: str
    message: str
    driver_code: int | None
    started_at: str | None
    ended_at: str | None

    @property
    def ended(self) -> bool:
        """Return whether nothing will change any more."""
        return self.status in ENDED

    @property
    def run_dir(self) -> str:
        """Return the run folder, on the cluster."""
        return f"{self.root}/{self.job_id}"

    @property
    def exit_code(self) -> int | None:
        """Return the job's own exit code as a shell has it; None before its end."""
        if not self.ended:
            return None
        if self.driver_code is None:
            return EXIT_STOPPED if self.status == STOPPED else EXIT_NEVER_RAN
        return self.driver_code if self.driver_code >= 0 else 128 - self.driver_code


class JobsClient:
    """The Jobs API of one cluster; every trouble with it is a `ClusterError` that names the address."""

    def __init__(self, client: Any, address: str) -> None:
        self._client = client
        self.address = address

    @classmethod
    def connect(cls, address: str) -> Self:
        """Return a client of the cluster at `address`, as `http://HEAD:8265`, once it has answered.

        Raises:
            ClusterError: nobody answers there, it is no Ray head, or the token is not the cluster's.
        """
        url = address if "://" in address or address == "auto" else f"http://{address}"
        prefer_token()
        with asking(url):
            return cls(patient_client(url), url)

    @property
    def asks_for_a_token(self) -> bool:
        """Return whether the cluster refuses those who bring no token; anybody may run code on one that does not."""
        import requests

        try:
            return int(requests.get(f"{self._client.get_address()}/api/jobs/", timeout=CONNECT_S).status_code) != 200
        except requests.RequestException:
            return True  # not known

    def jobs(self) -> tuple[SubmittedJob, ...]:
        """Return every submission of ours, in the order in which they were made."""
        with asking(self.address):
            found = self._client.list_jobs()
        ours = [_job_of(details) for details in found if "studbook_id" in (details.metadata or {})]
        return tuple(sorted(ours, key=lambda job: (job.started_at or "", len(job.submission_id), job.submission_id)))

    def find(self, name: str) -> SubmittedJob:
        """Return the newest submission of a job, by its id, a unique beginning of one, a submission id, or `latest`.

        Raises:
            UsageError: there is none, or more than one.
        """
        jobs = self.jobs()
        exact = [job for job in jobs if name in (job.submission_id, job.job_id)]
        if name == "latest" and jobs:
            return jobs[-1]
        near = exact or [job for job in jobs if job.job_id.startswith(name)]
        if len({job.job_id for job in near}) == 1:
            return near[-1]
        raise UsageError(_no_such_job(name, near or jobs, self.address))

    def submit(self, parcel: Parcel) -> tuple[SubmittedJob, bool]:
        """Return the submission that runs the parcel's job, and whether it is new.

        A job that waits, runs or has succeeded is not submitted again.

        Raises:
            ConfigError: the cluster has another job of this id.
        """
        jobs = self.jobs()
        tries = [job for job in jobs if job.job_id == parcel.job_id]
        _require_same(tries, parcel)
        if tries and tries[-1].status not in (FAILED, STOPPED):
            return tries[-1], False
        name = _free_name(parcel.job_id, {job.submission_id for job in jobs})
        with tempfile.TemporaryDirectory(prefix="studbook-") as folder:
            stage(parcel, Path(folder))
            is_new = self._send(parcel, name, folder)
        with asking(self.address):
            return _job_of(self._client.get_job_info(name)), is_new

    def _send(self, parcel: Parcel, name: str, folder: str) -> bool:
        """Submit what is staged in `folder`; False if somebody else was quicker."""
        environment = {"working_dir": folder, "env_vars": parcel.environment}
        with asking(self.address):
            try:
                self._client.submit_job(
                    entrypoint=parcel.entrypoint, submission_id=name, runtime_env=environment, metadata=parcel.metadata
                )
            except RuntimeError as error:
                if "already exists" not in str(error):
                    raise
                return False
        return True

    def stop(self, job: SubmittedJob) -> SubmittedJob:
        """Return the submission once it has stopped; what its journal holds is kept.

        Raises:
            ClusterError: it has not stopped in time.
        """
        with asking(self.address):
            self._client.stop_job(job.submission_id)
        until = time.monotonic() + STOP_PATIENCE_S + CONNECT_S
        while not (found := self.refreshed(job)).ended:
            if time.monotonic() > until:
                raise ClusterError(
                    f"A job must stop within {STOP_PATIENCE_S} s, but {job.submission_id} was still {found.status} "
                    f"({self.address}). `studbook status {job.job_id}` shows whether it has."
                )
            time.sleep(POLL_S / 2)  # the Jobs API can only be asked: it announces no end
        return found

    def refreshed(self, job: SubmittedJob) -> SubmittedJob:
        """Return the submission as it is now."""
        with asking(self.address):
            return _job_of(self._client.get_job_info(job.submission_id))

    def logs(self, job: SubmittedJob) -> str:
        """Return all that the job has said, standard output and standard error alike."""
        with asking(self.address):
            return str(self._client.get_job_logs(job.submission_id))

    def follow(self, job: SubmittedJob, tell: Callable[[str], None]) -> SubmittedJob:
        """Give what the job says to `tell` as it says it, and return the submission once it has ended.

        A connection that breaks is opened again.

        Raises:
            ClusterError: the head has not answered for a minute.
        """
        heard, answered = _Heard(tell), time.monotonic()
        while True:
            try:
                asyncio.run(self._tail(job, heard))
                job, answered = self.refreshed(job), time.monotonic()
            except ClusterError:
                if time.monotonic() - answered > PATIENCE_S:
                    raise
            if job.ended:
                return job
            time.sleep(POLL_S)  # before the log is opened again: a head that is away must not be stormed

    async def _tail(self, job: SubmittedJob, heard: "_Heard") -> None:
        """Hear the log from its beginning until the connection ends; look now and then whether the head is there."""
        heard.from_the_beginning()
        with asking(self.address):
            async with contextlib.aclosing(self._client.tail_job_logs(job.submission_id)) as stream:
                while True:
                    reading = asyncio.ensure_future(anext(stream, None))
                    try:
                        while not (await asyncio.wait({reading}, timeout=QUIET_S))[0]:
                            if (await asyncio.to_thread(self.refreshed, job)).ended:
                                return
                    finally:
                        await _given_up(reading)
                    text = reading.result()
                    if text is None:
                        return
                    heard(text)


class _Heard:
    """Passes a log on once, however often it is read from its beginning."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._n_told = self._place = 0

    def from_the_beginning(self) -> None:
        self._place = 0

    def __call__(self, text: str) -> None:
        fresh = text[max(self._n_told - self._place, 0) :]
        self._place += len(text)
        if fresh:
            self._n_told += len(fresh)
            self._tell(fresh)


async def _given_up(reading: "asyncio.Future[str | None]") -> None:
    """Return once nothing is read any more."""
    if not reading.done():
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await reading


def _job_of(details: Any) -> SubmittedJob:
    kept = details.metadata or {}
    return SubmittedJob(
        submission_id=details.submission_id,
        job_id=kept.get("studbook_id", details.submission_id),
        root=kept.get("studbook_root", ""),
        config_hash=kept.get("studbook_config", ""),
        status=str(details.status).lower(),
        message=_said(details.message),
        driver_code=details.driver_exit_code,
        started_at=_instant(details.start_time),
        ended_at=_instant(details.end_time),
    )


def _said(message: str | None) -> str:
    """Return what Ray says of a job, without the end of its log."""
    return (message or "").strip().partition("\n")[0].partition(", last available logs")[0]


def _instant(milliseconds: int | None) -> str | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds") if milliseconds else None


def _free_name(job_id: str, taken: AbstractSet[str]) -> str:
    names = (job_id if number == 1 else f"{job_id}-{number}" for number in itertools.count(1))
    return next(name for name in names if name not in taken)


def _require_same(tries: Sequence[SubmittedJob], parcel: Parcel) -> None:
    """Refuse another job under an id that is taken."""
    wanted = parcel.metadata["studbook_config"]
    if tries and tries[-1].config_hash != wanted:
        raise ConfigError(
            f"A job submitted again must have the config it began with, but {parcel.job_id} has the hash "
            f"{tries[-1].config_hash[:12]} and this one {wanted[:12]}. Choose another --id, or leave it out."
        )


def _no_such_job(name: str, jobs: Sequence[SubmittedJob], address: str) -> str:
    known = list(dict.fromkeys(job.job_id for job in reversed(jobs)))
    near = get_close_matches(name, known, n=3) or [one for one in known if one.startswith(name)] or known[:3]
    hint = f"nearest known: {', '.join(near)}." if near else "there is none."
    return (
        "JOB must be the id of a job on the cluster, a unique beginning of one, or `latest`, "
        f"but was {name!r} ({address}); {hint}"
    )
