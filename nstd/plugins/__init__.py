"""Python plugins: what they may hook into, and the marker for those that do.

A plugin is a module, or an object, that an installed package names in the entry-point group
`nstd`. Nothing is loaded that the configuration doesn't name.

    from nstd.plugins import hookimpl

    @hookimpl
    def nstd_process_result(image): ...
"""

from __future__ import annotations

from nstd.plugins.specs import hookimpl

__all__ = ["hookimpl"]
