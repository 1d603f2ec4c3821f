"""Structured logs: set-up, and the catalogue of event names.

Every line of a job bears `job_id` and `name`. One canonical line per job, `job.done` or
`job.failed`, holds everything worth graphing; the others tell the story in between. Who wants to
know of events without reading the log listens: to every event from level info on, whatever the
level of the log.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from typing import TYPE_CHECKING, Any, Final, TextIO, TypeAlias

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nstd.config import Log
    from nstd.errors import NstdError

DAEMON_STARTED: Final = "daemon.started"  # folders are made, locks are held
DAEMON_HELD: Final = "daemon.held"  # a resource is missing: no job is begun; once for each reason
DAEMON_RESUMED: Final = "daemon.resumed"  # it is back
DAEMON_STOPPING: Final = "daemon.stopping"  # a signal came
DAEMON_STOPPED: Final = "daemon.stopped"  # the last line
WORKER_READY: Final = "worker.ready"  # the engine is built: device, precision, seconds
WORKER_KILLED: Final = "worker.killed"  # no sign of life, or too long over a job; which limit
WORKER_UNABLE: Final = "worker.unable"  # a later worker can't build its engine, and why
WORKER_UNHEALTHY: Final = "worker.unhealthy"  # it keeps dying before it is ready; rests a while
WORKER_RECYCLED: Final = "worker.recycled"  # replaced, as limits or a new configuration ask
WORKER_DIED: Final = "worker.died"  # exit code and last words
WATCH_DEGRADED: Final = "watch.degraded"  # no file events: rescans only
SCAN_WAITING: Final = "scan.waiting"  # a sidecar is incomplete, and why; once for each reason
JOB_CLAIMED: Final = "job.claimed"  # the sidecar is ours, the images are copied
JOB_STARTED: Final = "job.started"  # a worker has it
JOB_ESTIMATED: Final = "job.estimated"  # what it will take: seconds, bytes
JOB_PROGRESS: Final = "job.progress"  # at level debug: iteration, loss, seconds an iteration
JOB_DUPLICATE: Final = "job.duplicate"  # the same images and parameters as a job that is done
JOB_DEFERRED: Final = "job.deferred"  # an attempt failed; when it is tried again, and why
JOB_HELD: Final = "job.held"  # a resource that this job needs is missing; once for each reason
JOB_REQUEUED: Final = "job.requeued"  # the daemon was stopped under it; it goes on at the start
JOB_RELEASED: Final = "job.released"  # an image changed or vanished: back in the inbox
JOB_RECOVERED: Final = "job.recovered"  # a daemon died under it
JOB_DONE: Final = "job.done"  # canonical: result and manifest are in the outbox
JOB_FAILED: Final = "job.failed"  # canonical: the reason is in failed/
JOB_CANCELLED: Final = "job.cancelled"  # its owner took it back
JOB_RETIRED: Final = "job.retired"  # the originals are filed away: nothing is left to do
JOB_RETRIED: Final = "job.retried"  # its files are back in the inbox, where they are a new job
REQUEST_HEEDED: Final = "request.heeded"  # what a command has asked for is done
REQUEST_WAITS: Final = "request.waits"  # it can't be done now, and why; it will be tried again
REQUEST_REFUSED: Final = "request.refused"  # it can't be done, or isn't understood, and why
STATUS_REFUSED: Final = "status.refused"  # STATUS.txt can't be written, and why
PRUNE_REFUSED: Final = "prune.refused"  # an original that is old enough can't be deleted, and why
INBOX_ABSENT: Final = "inbox.absent"  # not mounted: nothing is taken until it is back
INBOX_BACK: Final = "inbox.back"
INBOX_RETURNED: Final = "inbox.returned"  # a file that nobody knew of was put back
INBOX_UNASKED: Final = "inbox.unasked"  # a file that is nobody's lies there for long; once
INBOX_SKIPPED: Final = "inbox.skipped"  # has an input's name but is no regular file; once
LEDGER_DAMAGED: Final = "ledger.damaged"  # set aside; a new one is begun
CONFIG_RELOADED: Final = "config.reloaded"  # SIGHUP: the new one is in force
CONFIG_REFUSED: Final = "config.refused"  # SIGHUP: the old one stays, and why
PLUGIN_FAILED: Final = "plugin.failed"  # it changed nothing in this job, and why
HOOK_DONE: Final = "hook.done"  # a hook was told of an event: exit code and output, or status
HOOK_FAILED: Final = "hook.failed"  # it was not, and why; in how many seconds it is told again
HOOK_DISABLED: Final = "hook.disabled"  # it answered 410: told nothing until a reload or a restart
HOOK_FAULTY: Final = "hook.faulty"  # at the start or a reload: it could not be told, and why
HOOK_GIVEN_UP: Final = "hook.given_up"  # an event is dropped, undelivered
WEB_STARTED: Final = "web.started"  # the status page answers; where
WEB_STOPPED: Final = "web.stopped"  # a signal came
WARNING: Final = "warning"  # what a library warns of
DAEMON_FAILED: Final = "daemon.failed"  # it can't go on, and why
INTERNAL_ERROR: Final = "internal.error"  # a mistake of ours, with its traceback

# Told an event and its fields as they are logged, in the thread that logs; it must be quick, and
# must not raise, log or change the fields.
Listener: TypeAlias = "Callable[[str, Mapping[str, Any]], None]"
_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """Tell somebody of every event from now on."""
    _listeners.append(listener)


def unlisten(listener: Listener) -> None:
    """Tell them no more."""
    _listeners.remove(listener)


def set_up(log: Log) -> None:
    """Send structlog's lines to stderr: for people on a terminal, else as JSON."""
    console = log.format == "console" or (log.format == "auto" and sys.stderr.isatty())
    if console:
        rendering: list[structlog.types.Processor] = [structlog.dev.ConsoleRenderer()]
    else:
        rendering = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=True),
        ]
    level = logging.getLevelNamesMapping()[log.level.upper()]
    warnings.showwarning = _log_warning
    logging.basicConfig(handlers=[_Relay()], level=logging.WARNING, force=True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _tell_listeners,
            _Threshold(level),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *rendering,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(min(level, logging.INFO)),
        logger_factory=structlog.WriteLoggerFactory(_Lines()),  # type: ignore[arg-type] # write, flush
        cache_logger_on_first_use=False,
    )


def fatal(error: NstdError) -> None:
    """Say why the daemon can't go on."""
    structlog.get_logger().error(
        DAEMON_FAILED, code=error.code, message=str(error), exit_code=error.exit_code
    )


def _tell_listeners(
    logger: object,  # noqa: ARG001
    method: str,  # noqa: ARG001
    event: structlog.types.EventDict,
) -> structlog.types.EventDict:
    for listener in _listeners:
        listener(event["event"], event)
    return event


class _Threshold:
    """Keeps quieter lines out of the log, once the listeners have been told."""

    def __init__(self, level: int) -> None:
        self._level = level

    def __call__(
        self, logger: object, method: str, event: structlog.types.EventDict
    ) -> structlog.types.EventDict:
        del logger
        if structlog.processors.NAME_TO_LEVEL[method] < self._level:
            raise structlog.DropEvent
        return event


def _log_warning(  # noqa: PLR0917 - the signature is Python's
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    """Python's warnings as log lines; Pillow warns of damage that it can live with."""
    structlog.get_logger().warning(
        WARNING, message=str(message), category=category.__name__, place=f"{filename}:{lineno}"
    )


class _Relay(logging.Handler):
    """What libraries log the ordinary way, as lines like ours."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().warning(WARNING, message=record.getMessage(), source=record.name)


class _Lines:
    """Stderr, but for its troubles: a full log disk or a reader that left must not stop jobs."""

    def write(self, text: str) -> None:
        """Write what can be written."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
