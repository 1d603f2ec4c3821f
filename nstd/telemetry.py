"""Structured logs: set-up, and the catalogue of event names.

Every line of a job bears `job_id` and `name`. One canonical line per job, `job.done` or
`job.failed`, holds everything worth graphing; the others tell the story in between.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from nstd.config import Log

DAEMON_STARTED: Final = "daemon.started"
DAEMON_STOPPING: Final = "daemon.stopping"
DAEMON_STOPPED: Final = "daemon.stopped"
WEIGHTS_READY: Final = "weights.ready"
WORKER_READY: Final = "worker.ready"
WORKER_DIED: Final = "worker.died"
WATCH_DEGRADED: Final = "watch.degraded"
SCAN_WAITING: Final = "scan.waiting"
HELD: Final = "daemon.held"
JOB_CLAIMED: Final = "job.claimed"
JOB_STARTED: Final = "job.started"
JOB_PROGRESS: Final = "job.progress"
JOB_RELEASED: Final = "job.released"
JOB_RECOVERED: Final = "job.recovered"
JOB_DONE: Final = "job.done"
JOB_FAILED: Final = "job.failed"
INTERNAL_ERROR: Final = "internal.error"


def set_up(log: Log) -> None:
    """Send structlog's lines to stderr: for people on a terminal, else as JSON."""
    console = log.format == "console" or (log.format == "auto" and sys.stderr.isatty())
    if console:
        rendering: list[structlog.types.Processor] = [structlog.dev.ConsoleRenderer()]
    else:
        rendering = [
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("event"),
            structlog.processors.JSONRenderer(ensure_ascii=True),
        ]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *rendering,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[log.level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
