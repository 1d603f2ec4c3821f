"""What would keep a hook from ever being told, found before it matters; no reason not to start."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from nstd.errors import ConfigError, NstdError
from nstd.hook_settings import Command, Webhook
from nstd.hooks import signature

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nstd.hook_settings import Hook, Hooks


def faults(hooks: Hooks) -> Iterator[tuple[str, NstdError]]:
    """Hooks that can't be told, by what logs call them, and why; no secret is in the words."""
    for label, hook in hooks.all.values():
        try:
            _examine(hook)
        except NstdError as error:
            yield label, error


def _examine(hook: Hook) -> None:
    """Look at one hook.

    Raises:
        ConfigError: its program isn't there, or its secret can't be had.
    """
    match hook:
        case Command(argv=[program, *_]):
            if shutil.which(program) is None:
                raise ConfigError(
                    f"there is no program {program}", remedy="install it, or name its whole path"
                )
        case Webhook():
            signature.keys(hook)
