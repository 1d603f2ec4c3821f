"""`nstd stylize`: one picture, in this process, with a progress bar."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nstd import api, images, progress
from nstd.domain import Job, WeightedFile
from nstd.entry import REPORT
from nstd.errors import UsageError
from nstd.params import FORMATS, StyleParams
from nstd.render import Rendering
from nstd.spool.besides import SNAPSHOTS
from nstd.spool.files import fsync, writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nstd.engine.engine import Engine
    from nstd.params import OutputFormat


def stylize(
    content: Path | None,
    styles: Sequence[WeightedFile],
    output: Path,
    values: Mapping[str, Any],
    *,
    deterministic: bool = False,
) -> dict[str, Any]:
    """Paint one picture; the output appears complete, or not at all.

    Args:
        content: the content image; None makes a texture of the styles.
        styles: the style images and their shares in the blend.
        output: replaced if it exists; its suffix gives the format.
        values: parameters.
        deterministic: the same pictures and parameters give the same bytes.

    Returns:
        What was done, as plain JSON values.

    Raises:
        UsageError: the output's suffix is of no format that nstd writes, or of another than the
            parameters say; or it is one of the images.
        NstdError: see `Rendering`.
    """
    form = format_of(output)
    if values.get("format", form) != form:
        raise UsageError(
            f"{output}: its suffix is not that of --set format={values['format']}",
            remedy="leave one of them out: the suffix gives the format",
        )
    params = StyleParams.parse({**values, "format": form})
    read = [*([content] if content else []), *(style.path for style in styles)]
    read += [Path(name) for name in (params.init_file, *params.mask_files) if name]
    refuse_input(output, read)
    with (
        writing(output),
        tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as work,
    ):
        job = Job(
            "stylize",
            output.stem,
            Path(work),
            WeightedFile(content, str(content), 1.0) if content else None,
            tuple(styles),
            params,
            WeightedFile(Path(params.init_file), params.init_file, 1.0)
            if params.init_file
            else None,
            tuple(WeightedFile(Path(name), name, 1.0) for name in params.mask_files),
        )
        with progress.IterationBar() as bar:

            def engine() -> Engine:
                bar.say("loading the network")
                return api.engine(deterministic=deterministic)

            rendering = Rendering(job, engine, images.ImageLimits())
            bar.say(f"drafting; about {rendering.estimate}")
            for iterate in rendering:
                bar.show(
                    iteration=iterate.iteration,
                    planned=iterate.planned,
                    loss=iterate.losses.total,
                    seconds=iterate.seconds,
                )
            rendered = rendering.finish()
        rendered.path.replace(output)
        _place_snapshots(rendered.snapshots, output.with_suffix(SNAPSHOTS))
        if rendered.report:
            rendered.report.replace(output.with_suffix(REPORT))
        fsync(output.parent)
    return {
        "output": {
            "path": str(output),
            "width": rendered.width,
            "height": rendered.height,
            "sha256": rendered.sha256,
        },
        "report": str(output.with_suffix(REPORT)) if rendered.report else None,
        "content": str(content) if content else None,
        "styles": [style.name for style in styles],
        "style_weights": [style.weight for style in styles],
        **rendered.facts,
    }


def format_of(output: Path) -> OutputFormat:
    """The format that an output's suffix stands for.

    Raises:
        UsageError: none that nstd writes, or the output is a folder.
    """
    form = FORMATS.get(output.suffix.lower())
    if form is None:
        raise UsageError(
            f"{output}: no picture format has this suffix",
            remedy=f"use one of {', '.join(FORMATS)}",
        )
    if output.is_dir():
        raise UsageError(f"{output}: is a folder", remedy="name a file in it")
    return form


def refuse_input(output: Path, inputs: Iterable[Path]) -> None:
    """Let nobody lose a picture to a name that was typed once too often.

    Raises:
        UsageError: the output would replace what it is made of.
    """
    for path in inputs:
        if output.exists() and path.exists() and output.samefile(path):
            raise UsageError(
                f"{output}: is one of the images, and would be replaced",
                remedy="give the output another name",
            )


def _place_snapshots(snapshots: Sequence[Path], folder: Path) -> None:
    """Put the intermediate pictures, if any, beside the result."""
    if snapshots:
        folder.mkdir(exist_ok=True)
    for snapshot in snapshots:
        snapshot.replace(folder / snapshot.name)
