"""The last steps of a job: publish and retire, or quarantine, and say so in one log line.

Each step is remembered on the run, so that one that a full disk refused is tried again without
repeating those before it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from nstd import telemetry
from nstd.domain import Failure, Published, Rendered
from nstd.manifest import manifest, summary
from nstd.spool import claim as claiming
from nstd.spool import retire
from nstd.spool.publish import publish
from nstd.spool.retire import Belongings

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from nstd.config import Config
    from nstd.domain import Claim
    from nstd.spool.scan import Rejection

_log = structlog.get_logger()


@dataclass(slots=True)
class Run:
    """A claimed job and how far it has come.

    Attributes:
        since: monotonic seconds at which its present stage began.
        seconds: of the stages that are over.
        attempt: how often a worker has been given it.
        not_before: monotonic seconds before which ending it isn't tried again.
    """

    claim: Claim
    since: float
    seconds: dict[str, float]
    attempt: int = 0
    not_before: float = 0.0
    outcome: Rendered | Failure | None = None
    published: Published | None = None

    def ends(self, stage: str) -> None:
        """Book the time since the last stage ended."""
        now = time.monotonic()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self.since
        self.since = now


def conclude(run: Run, config: Config, *, wanted: Collection[Path]) -> bool:
    """Take a run with an outcome to its end.

    Args:
        run: its progress is kept up to date.
        config: places the folders.
        wanted: images that other jobs still need.

    Returns:
        Whether the job is done, as opposed to failed.

    Raises:
        CannotWriteError: a folder refuses; call again later.
    """
    if isinstance(run.outcome, Failure):
        _quarantine(run, run.outcome, config, wanted)
        return False
    assert isinstance(run.outcome, Rendered)  # noqa: S101 - the caller's contract
    if run.published is None:
        facts = manifest(run.claim, run.outcome, run.seconds, run.attempt)
        run.published = publish(run.claim, run.outcome, facts, config)
        run.ends("publish")
    retire.retire(Belongings.of_claim(run.claim), config, wanted=wanted)
    _clean_up(run.claim, config)
    run.ends("retire")
    _log.info(
        telemetry.JOB_DONE,
        **_identity(run),
        **summary(run.outcome, run.published, run.seconds),
    )
    return True


def reject(rejection: Rejection, config: Config, *, wanted: Collection[Path]) -> None:
    """Quarantine a sidecar that never became a job.

    Raises:
        CannotWriteError: failed/ refuses; the files are still in the inbox.
    """
    belongings = Belongings.of_rejection(rejection)
    reason = retire.quarantine(belongings, rejection.failure, config, wanted=wanted)
    _log.warning(
        telemetry.JOB_FAILED,
        job_id=belongings.job_id,
        name=str(rejection.folder / rejection.path.stem),
        **_why(rejection.failure, reason),
    )


def _quarantine(run: Run, failure: Failure, config: Config, wanted: Collection[Path]) -> None:
    belongings = Belongings.of_claim(run.claim)
    reason = retire.quarantine(belongings, failure, config, wanted=wanted)
    _clean_up(run.claim, config)
    _log.warning(telemetry.JOB_FAILED, **_identity(run), **_why(failure, reason))


def _clean_up(claim: Claim, config: Config) -> None:
    claiming.forget(claim.token, config)
    claiming.drop_work(claim.job_id, config)


def _identity(run: Run) -> dict[str, object]:
    return {"job_id": run.claim.job_id, "name": run.claim.name, "attempt": run.attempt}


def _why(failure: Failure, reason: Path) -> dict[str, object]:
    return {
        "code": failure.code,
        "message": failure.message,
        "file": failure.file,
        "key": failure.key,
        "reason": str(reason),
    }
