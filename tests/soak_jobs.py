"""Jobs for the soak: good ones, hostile ones, and what a user does to them meanwhile."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

NEW = " (new)"
# Large enough for the deepest layer of the real network.
_WIDTH, _HEIGHT = 40, 32
HOT = "hot"
HOT_FILES = {f"{HOT}/nstd.yaml", f"{HOT}/ours.png"}  # which stay
FOLDERS = (".", "sub", "sub/deeper", "caf\udce9")


@dataclass(eq=False)
class Dropped:
    """A job as its owner remembers it.

    Attributes:
        name: its sidecar's path below the inbox, without suffix.
        outcomes: how it may end: `done`, or a failure's code.
        files: SHA-256 of everything that was dropped for it.
    """

    name: str
    outcomes: set[str]
    files: dict[str, str] = field(default_factory=dict)


class Dropper:
    """Drops jobs into an inbox, each with a name and pictures of its own.

    Args:
        inbox: where to.
        chance: of everything.
    """

    def __init__(self, inbox: Path, chance: random.Random) -> None:
        self._inbox = inbox
        self._chance = chance
        self.dropped: list[Dropped] = []
        self._shared: list[tuple[str, str]] = []
        self._kinds: list[tuple[int, Callable[[Dropped, Path], None]]] = [
            (10, self._plain),
            (3, self._slow),
            (3, self._sharing),
            (2, self._colliding),
            (1, self._texture),
            (1, self._late),
            (1, self._typo),
            (1, self._truncated),
            (1, self._no_picture),
            (1, self._bomb),
            (1, self._incomplete),
            (1, self._fifo),
            (1, self._link),
            (1, self._escaping),
            (1, self._oversized),
            (2, self._cancelled),
            (1, self._replaced),
            (2, self._alone),
        ]

    def drop(self) -> None:
        """Drop one job of a random kind."""
        folder = self._chance.choice(FOLDERS)
        name = f"j{len(self.dropped):05}"
        place = self._inbox / folder
        place.mkdir(parents=True, exist_ok=True)
        job = Dropped(os.path.normpath(f"{folder}/{name}"), {"done"})
        self.dropped.append(job)
        kinds = [kind for _, kind in self._kinds]
        weights = [weight for weight, _ in self._kinds]
        self._chance.choices(kinds, weights)[0](job, place / name)

    def cancel(self) -> None:
        """Ask for the end of a recent job."""
        job = self._chance.choice(self.dropped[-10:])
        job.outcomes.add("cancelled")
        (self._inbox / f"{job.name}.cancel").touch()

    def _write(self, job: Dropped, path: Path, data: bytes) -> None:
        """Write as a careful producer does, or slowly as a careless one."""
        job.files[str(path.relative_to(self._inbox))] = hashlib.sha256(data).hexdigest()
        if self._chance.random() < 0.5:
            part = path.with_name(f"{path.name}.part")
            part.write_bytes(data)
            part.rename(path)
            return
        with path.open("wb", buffering=0) as file:
            half = len(data) // 2
            file.write(data[:half])
            file.write(data[half:])

    def _picture(self) -> bytes:
        pixels = self._chance.randbytes(_WIDTH * _HEIGHT * 3)
        buffer = io.BytesIO()
        Image.fromarray(np.frombuffer(pixels, np.uint8).reshape(_HEIGHT, _WIDTH, 3)).save(
            buffer, "PNG"
        )
        return buffer.getvalue()

    def _pair(self, job: Dropped, path: Path) -> None:
        self._write(job, path.with_suffix(".png"), self._picture())
        self._write(job, path.with_suffix(".style.png"), self._picture())

    def _sidecar(self, job: Dropped, path: Path, text: str = "preset: draft\n") -> None:
        self._write(job, path.with_suffix(".yaml"), f"{text}# {job.name!r}\n".encode())

    def _plain(self, job: Dropped, path: Path) -> None:
        self._pair(job, path)
        priority = self._chance.choice((0, 0, 0, 5, -5))
        self._sidecar(job, path, f"priority: {priority}\n")

    def _slow(self, job: Dropped, path: Path) -> None:
        self._pair(job, path)
        self._sidecar(job, path, f"preset: fast\niterations: {self._chance.randint(5, 60)}\n")

    def _sharing(self, job: Dropped, path: Path) -> None:
        """A style that two jobs ask for."""
        self._write(job, path.with_suffix(".png"), self._picture())
        style = path.with_name(f"shared{self._chance.randint(0, 10**9)}.png")
        self._write(job, style, self._picture())
        twin = Dropped(f"{job.name}-twin", {"done"})
        self.dropped.append(twin)
        other = path.with_name(f"{path.name}-twin")
        self._write(twin, other.with_suffix(".png"), self._picture())
        for one, place in ((job, path), (twin, other)):
            self._sidecar(one, place, f"style: {style.name}\n")

    def _colliding(self, job: Dropped, path: Path) -> None:
        self._pair(job, path)
        self._sidecar(job, path, "output: same\n")

    def _texture(self, job: Dropped, path: Path) -> None:
        self._write(job, path.with_suffix(".style.png"), self._picture())
        self._sidecar(job, path, "content: none\n")

    def _late(self, job: Dropped, path: Path) -> None:
        """The sidecar first."""
        self._sidecar(job, path)
        self._pair(job, path)

    def _typo(self, job: Dropped, path: Path) -> None:
        job.outcomes = {"sidecar"}
        self._pair(job, path)
        self._sidecar(job, path, "sise: 64\n")

    def _truncated(self, job: Dropped, path: Path) -> None:
        job.outcomes = {"image"}
        buffer = io.BytesIO()
        Image.effect_noise((64, 64), 90).convert("RGB").save(buffer, "JPEG", quality=95)
        data = buffer.getvalue()
        self._write(job, path.with_suffix(".jpg"), data[: len(data) // 2])
        self._write(job, path.with_suffix(".style.png"), self._picture())
        self._sidecar(job, path)

    def _no_picture(self, job: Dropped, path: Path) -> None:
        job.outcomes = {"image"}
        self._write(job, path.with_suffix(".png"), f"no picture: {job.name!r}".encode())
        self._write(job, path.with_suffix(".style.png"), self._picture())
        self._sidecar(job, path)

    def _bomb(self, job: Dropped, path: Path) -> None:
        job.outcomes = {"image_too_large"}
        buffer = io.BytesIO()
        Image.new("1", (20000, 20000)).save(buffer, "PNG")
        self._write(
            job, path.with_suffix(".png"), buffer.getvalue() + job.name.encode("utf8", "replace")
        )
        self._write(job, path.with_suffix(".style.png"), self._picture())
        self._sidecar(job, path)

    def _incomplete(self, job: Dropped, path: Path) -> None:
        job.outcomes = {"missing_input"}
        self._write(job, path.with_suffix(".png"), self._picture())
        self._sidecar(job, path, "style: never-came.png\n")

    def _fifo(self, job: Dropped, path: Path) -> None:
        job.outcomes = {"missing_input"}
        os.mkfifo(path.with_suffix(".png"))
        self._write(job, path.with_suffix(".style.png"), self._picture())
        self._sidecar(job, path)

    def _link(self, job: Dropped, path: Path) -> None:
        job.outcomes = {"missing_input"}
        path.with_suffix(".png").symlink_to("/etc/passwd")
        self._write(job, path.with_suffix(".style.png"), self._picture())
        self._sidecar(job, path)

    def _escaping(self, job: Dropped, path: Path) -> None:
        job.outcomes = {"sidecar"}
        self._sidecar(job, path, "content: ../../etc/passwd\n")

    def _oversized(self, job: Dropped, path: Path) -> None:
        job.outcomes = {"sidecar"}
        self._sidecar(job, path, "# " + "x" * 70_000 + "\n")

    def _cancelled(self, job: Dropped, path: Path) -> None:
        self._slow(job, path)
        job.outcomes.add("cancelled")
        (self._inbox / f"{job.name}.cancel").touch()

    def _alone(self, job: Dropped, path: Path) -> None:
        """An image in a hot folder, which becomes a job without a sidecar of its own."""
        folder = self._inbox / HOT
        if not folder.exists():
            folder.mkdir()
            (folder / "ours.png").write_bytes(self._picture())
            (folder / "nstd.yaml").write_text("style: ours.png\npreset: draft\n")
        job.name = f"{HOT}/{path.name}"
        self._write(job, folder / f"{path.name}.png", self._picture())

    def _replaced(self, job: Dropped, path: Path) -> None:
        """A new version of the content, some time after the drop: it must not be lost either."""
        self._slow(job, path)
        old = path.with_suffix(".png")
        new, data = old.with_name(f"{old.name}.part"), self._picture()
        new.write_bytes(data)
        if self._chance.random() < 0.5:
            # Whoever replaces a file has taken the old one back.
            job.files.pop(str(old.relative_to(self._inbox)))
            job.outcomes |= {"missing_input"}
            new.rename(old)
            job.files[f"{old.relative_to(self._inbox)}{NEW}"] = hashlib.sha256(data).hexdigest()
        else:
            new.unlink()
