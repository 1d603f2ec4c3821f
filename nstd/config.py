"""The daemon's configuration: YAML in, a frozen `Config` out, every problem at once."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from nstd import devices, folders
from nstd.errors import ConfigError
from nstd.folders import FOLDERS, ROOT, FolderName
from nstd.hook_settings import Command, Hooks, PluginHook, Webhook
from nstd.params import StyleParams
from nstd.sections import STRICT, FolderPath
from nstd.validation import problems

if TYPE_CHECKING:
    from pathlib import Path

MEBIBYTE = 2**20


def _as_mode(value: Any) -> Any:  # noqa: ANN401 - whatever stood in the file
    """An octal mode as chmod takes it; a number would be read as decimal, or not, by YAML."""
    is_mode = isinstance(value, str) and re.fullmatch(r"0?[0-7]{3,4}", value)
    if value is not None and not is_mode:
        raise ValueError("must be an octal mode in quotes, such as '0640'")
    return value


def _as_device(value: Any) -> Any:  # noqa: ANN401 - whatever stood in the file
    """`auto`, one device, or a list of several."""
    if value == "auto":
        return value
    named = value if isinstance(value, list) else [value]
    for one in named:
        if not isinstance(one, str) or not re.fullmatch(devices.PATTERN, one):
            raise ValueError("must be auto, cpu, gpu:N, gpu:UUID, or a list of such devices")
    if not named or len(set(named)) != len(named):
        raise ValueError("must name each device once")
    return value


def _as_address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError as error:
        raise ValueError("must be an IP address, such as 127.0.0.1 or 0.0.0.0") from error


def _as_host(value: str) -> str:
    """A name that a browser may ask for; a port after it says nothing about who is meant."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", value):
        raise ValueError("must be a host's name without a port, such as paintings.example.org")
    return value


Mode = Annotated[str | None, BeforeValidator(_as_mode, json_schema_input_type=str | None)]


class _Section(BaseModel):
    model_config = STRICT


class Limits(_Section):
    """Bounds on what a job may be and how long things may take."""

    sidecar_bytes: int = Field(default=64 * 1024, ge=1)
    image_bytes: int = Field(default=256 * MEBIBYTE, ge=1)
    image_pixels: int = Field(default=120_000_000, ge=1)
    image_frames: int = Field(default=100, ge=1)
    incomplete_seconds: float = Field(default=300.0, ge=0)
    attempts: int = Field(default=3, ge=1)
    crashes: int = Field(default=10, ge=1)
    backoff_seconds: float = Field(default=5.0, ge=0)
    backoff_longest_seconds: float = Field(default=600.0, ge=0)
    stall_seconds: float = Field(default=300.0, gt=0)
    begin_seconds: float = Field(default=900.0, gt=0)
    job_timeout_seconds: float | None = Field(default=None, gt=0)
    oom: Literal["shrink", "fail"] = "fail"
    worker_jobs: int | None = Field(default=None, ge=1)
    worker_bytes: int | None = Field(default=None, ge=1)
    grace_seconds: float = Field(default=20.0, ge=0)
    min_free_bytes: int = Field(default=256 * MEBIBYTE, ge=0)


class Watching(_Section):
    """How changes in the inbox are noticed before the next rescan."""

    mode: Literal["auto", "inotify", "polling"] = "auto"


class Retention(_Section):
    """How long filed originals are kept, in days."""

    done: float | None = Field(default=None, gt=0)
    failed: float | None = Field(default=None, gt=0)


class Metrics(_Section):
    """Where Prometheus asks for metrics."""

    port: int | None = Field(default=None, ge=1, le=65535)
    address: Annotated[str, AfterValidator(_as_address)] = "127.0.0.1"


class Web(_Section):
    """Where browsers ask for the status page."""

    address: Annotated[str, AfterValidator(_as_address)] = "127.0.0.1"
    port: int = Field(default=8420, ge=1, le=65535)
    hosts: list[Annotated[str, AfterValidator(_as_host)]] = []


class Log(_Section):
    """How the daemon speaks."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"


class Config(_Section):
    """Everything that an operator may set. See config.example.yaml, which documents each key."""

    root: FolderPath = ROOT
    inbox: FolderPath | None = None
    outbox: FolderPath | None = None
    failed: FolderPath | None = None
    done: FolderPath | None = None
    state: FolderPath | None = None
    weights: FolderPath | None = None
    device: Annotated[str | list[str], BeforeValidator(_as_device)] = "auto"
    gpu_memory_fraction: float | None = Field(default=None, gt=0, le=1)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: int = Field(default=0, ge=0)
    deterministic: bool = False
    checkpoint_seconds: float = Field(default=60.0, ge=0)
    styles: list[FolderPath] = []
    ignore: list[str] = []
    settle_seconds: float = Field(default=2.0, ge=0)
    rescan_seconds: float = Field(default=5.0, gt=0)
    watch: Watching = Watching()
    status_file: bool = True
    on_conflict: Literal["suffix", "fail"] = "suffix"
    on_duplicate: Literal["rerun", "skip"] = "rerun"
    originals: Literal["archive", "keep", "delete"] = "archive"
    retire_grace_seconds: float = Field(default=2.0, ge=0)
    retain_days: Retention = Retention()
    file_mode: Mode = None
    folder_mode: Mode = None
    defaults: dict[str, Any] = {}
    limits: Limits = Limits()
    metrics: Metrics = Metrics()
    web: Web = Web()
    plugins: list[str] = []
    hooks: Hooks = Hooks()
    log: Log = Log()

    @property
    def file_mode_bits(self) -> int | None:
        """Mode of the files that nstd makes for users; None leaves it to the umask."""
        return None if self.file_mode is None else int(self.file_mode, 8)

    @property
    def folder_mode_bits(self) -> int | None:
        """Mode of the folders that nstd makes for users; None leaves it to the umask."""
        return None if self.folder_mode is None else int(self.folder_mode, 8)

    def folder(self, name: FolderName) -> Path:
        """Where a folder is: its own setting, else its name below `root`."""
        placed: Path | None = getattr(self, name)
        return placed or self.root / name

    @property
    def plugin_names(self) -> list[str]:
        """Every plugin that is named anywhere."""
        return [*self.plugins, *(hook.plugin for hook in self.hooks.plugins)]

    def refuse_moves(self, before: Config) -> None:
        """Refuse a configuration that can't be put in force without a restart.

        Raises:
            ConfigError: naming the folders, or the weights, that are elsewhere now.
        """
        moved = [str(name) for name in FOLDERS if self.folder(name) != before.folder(name)]
        moved += ["weights"] if self.weights != before.weights else []
        if moved:
            raise ConfigError(
                f"{', '.join(moved)} would move, which a running daemon can't follow",
                key=moved[0],
                remedy="restart nstd to use the new places",
            )


def load(path: Path) -> Config:
    """Read a configuration file.

    Raises:
        ConfigError: unreadable, or wrong; every problem is named with its key.
    """
    return parse(folders.read(path), file=str(path))


def parse(data: bytes, *, file: str) -> Config:
    """A configuration from the bytes of a file with this name; raises as `load` does."""
    values, found = folders.parse(data, file=file)
    config: Config | None = None
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        hooks = (Hooks, Command, Webhook, PluginHook)
        sections = (Config, Limits, Log, Metrics, Web, Watching, Retention, *hooks)
        known = [name for section in sections for name in section.model_fields]
        found += problems(error, known)
    found += _default_problems(values.get("defaults"))
    if config is None or found:
        raise folders.wrong(found, file=file)
    refuse_loops(config, file=file)
    return config


def _default_problems(defaults: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - from the file
    """What is wrong with the parameters that sidecars inherit."""
    if not isinstance(defaults, dict):
        return []
    try:
        StyleParams.model_validate(defaults)
    except ValidationError as error:
        found = problems(error, StyleParams.model_fields)
        return [(f"defaults.{key}", clause) for key, clause in found]
    return []


def refuse_loops(config: Config, *, file: str | None = None) -> None:
    """Refuse folders within each other: a result that lands in the inbox would be an input.

    Raises:
        ConfigError: naming both folders.
    """
    placed = [(name, config.folder(name).resolve()) for name in FOLDERS]
    libraries = [("styles", path.resolve()) for path in config.styles]
    for name, path in [*placed, *libraries]:
        for other, container in placed:
            if name != other and path.is_relative_to(container):
                raise ConfigError(
                    f"{path} lies within {other} ({container})",
                    file=file,
                    key=name,
                    remedy="place the folders beside each other",
                )
