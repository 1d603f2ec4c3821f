"""The commands, by theme; `nstd.cli` puts them together.

Everything heavy is imported by the command that needs it, so that `nstd --help` answers at once.
"""
