"""Signals, as the main loop sees them."""

from __future__ import annotations

import os
import signal

from nstd.signals import Signals


def test_signals_are_noted_in_order_and_wake_the_loop() -> None:
    """Each once; afterwards the process has its own handlers again."""
    before = signal.getsignal(signal.SIGHUP)
    woken: list[None] = []
    signals = Signals(lambda: woken.append(None))
    with signals.caught():
        for number in (signal.SIGHUP, signal.SIGTERM):
            os.kill(os.getpid(), number)
        assert list(signals.take()) == [signal.SIGHUP, signal.SIGTERM]
        assert list(signals.take()) == []
    assert len(woken) == 2
    assert signal.getsignal(signal.SIGHUP) is before
