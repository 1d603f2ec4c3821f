"""Plugins that work, and plugins that don't, called as the worker calls them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from installed_plugin import install

from nstd.domain import Job
from nstd.params import StyleParams
from nstd.plugins.chain import Chain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IMAGE = np.full((4, 6, 3), 0.5, np.float32)
PARAMS = StyleParams.parse({"preset": "fast", "size": 64})
JOB = Job("20260101T000000-00000001", "sub/a", Path("work"), None, (), PARAMS)


@pytest.fixture
def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Chain]]:
    """Install plugins, given as name and code, and load them in that order."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(**plugins: str) -> Chain:
        for name, code in plugins.items():
            install(tmp_path, name, code)
        importlib.invalidate_caches()
        return Chain(list(plugins))

    yield make
    for name in [name for name in sys.modules if name.startswith("plugin_")]:
        del sys.modules[name]


def process(chain: Chain) -> np.ndarray:
    """Do a job's part of it."""
    return chain.process_result(IMAGE, chain.change_params(JOB), JOB)


def failures(chain: Chain) -> list[str]:
    """Everything that failed."""
    return [words for one in chain.account() for words in one["failures"]]


def test_plugins_work_one_after_the_other(chain: Callable[..., Chain]) -> None:
    """In the configuration's order, each on what the one before made of the picture."""
    made = chain(
        half="@hookimpl\ndef nstd_process_result(image):\n    return image / 2\n",
        more="@hookimpl\ndef nstd_process_result(image, name, params):\n"
        "    assert name == 'sub/a' and params['size'] == 64\n"
        "    return image + np.float32(0.25)\n",
    )
    assert np.array_equal(process(made), np.full((4, 6, 3), 0.5, np.float32))
    assert made.account() == [
        {"name": "half", "version": "1.5", "failures": []},
        {"name": "more", "version": "1.5", "failures": []},
    ]


def test_parameters_are_changed_and_checked(chain: Callable[..., Chain]) -> None:
    """Only those that a plugin returns."""
    made = chain(
        cap="@hookimpl\ndef nstd_change_params(params, job_id):\n"
        "    assert job_id.endswith('1')\n"
        "    return {'size': min(params['size'], 32)}\n",
        none="@hookimpl\ndef nstd_change_params(params):\n    params['size'] = 7\n",
    )
    after = made.change_params(JOB)
    assert after == StyleParams.parse({"preset": "fast", "size": 32})
    assert failures(made) == []


def test_an_image_may_grow(chain: Callable[..., Chain]) -> None:
    """An upscaler."""
    code = (
        "@hookimpl\ndef nstd_process_result(image):\n    return image.repeat(2, 0).repeat(2, 1)\n"
    )
    assert process(chain(larger=code)).shape == (8, 12, 3)


def test_numbers_beyond_the_range_are_clipped(chain: Callable[..., Chain]) -> None:
    """As everywhere at the engine's border."""
    code = "@hookimpl\ndef nstd_process_result(image):\n    return image * 4 - np.float32(1.5)\n"
    assert process(chain(bright=code)).max() <= 1.0


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise ValueError('no such font')", "ValueError: no such font"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("image[:] = 0; return 1 / 0", "ZeroDivisionError"),
        ("return image.astype(np.float64)", "TypeError: nstd_process_result gave float64"),
        ("return 'painted'", "gave str"),
        ("return image[..., 0]", "gave shape (4, 6)"),
        ("return np.zeros((4, 6, 4), np.float32)", "gave shape (4, 6, 4)"),
        ("return image * np.float32('nan')", "not finite"),
        ("return np.zeros((0, 6, 3), np.float32)", "gave shape (0, 6, 3)"),
    ],
)
def test_a_plugin_that_fails_leaves_the_image_as_it_was(
    chain: Callable[..., Chain], code: str, words: str
) -> None:
    """What it did to its own copy too; those after it go on."""
    made = chain(
        broken=f"@hookimpl\ndef nstd_process_result(image):\n    {code}\n",
        works="@hookimpl\ndef nstd_process_result(image):\n    return image / 2\n",
    )
    assert np.array_equal(process(made), IMAGE / 2)
    (told,) = failures(made)
    assert words in told


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise ValueError('no')", "ValueError: no"),
        ("return {'sise': 3}", "did you mean 'size'?"),
        ("return {'size': 3, 'iterations': 7}", "size"),
        ("return 7", "TypeError"),
        ("return {'init': 'other.jpg'}", "init can't name other pictures"),
        ("return {'content_mask': 'other.png'}", "content_mask can't name other pictures"),
    ],
)
def test_a_plugin_that_fails_leaves_the_parameters_as_they_were(
    chain: Callable[..., Chain], code: str, words: str
) -> None:
    """All of them: what it returns is taken as a whole."""
    made = chain(broken=f"@hookimpl\ndef nstd_change_params(params):\n    {code}\n")
    assert made.change_params(JOB) == PARAMS
    (told,) = failures(made)
    assert words in told


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import no_such_module\n", "ModuleNotFoundError"),
        ("raise SystemExit(1)\n", "SystemExit"),
        ("@hookimpl\ndef nstd_process_result(picture):\n    return picture\n", "picture"),
        ("@hookimpl\ndef nstd_proces_result(image):\n    return image\n", "nstd_proces_result"),
    ],
)
def test_a_plugin_that_can_not_be_loaded_fails_in_each_job(
    chain: Callable[..., Chain], code: str, words: str
) -> None:
    """A misspelled hook or argument counts too, or it would never be called and nobody know why."""
    made = chain(broken=code)
    for _ in range(2):
        assert process(made) is IMAGE
        (told,) = failures(made)
        assert told.startswith("can't be loaded: ")
        assert words in told


def test_each_job_has_its_own_account(chain: Callable[..., Chain]) -> None:
    """What failed in one is not held against the next."""
    code = (
        "calls = []\n@hookimpl\ndef nstd_process_result(image):\n"
        "    calls.append(1)\n    assert len(calls) > 1, 'first'\n"
    )
    made = chain(late=code)
    process(made)
    assert failures(made) == ["AssertionError: first"]
    process(made)
    assert failures(made) == []


def test_without_plugins_nothing_is_touched() -> None:
    """Not even copied."""
    none = Chain()
    assert process(none) is IMAGE
    assert none.change_params(JOB) is PARAMS
    assert none.account() == []
