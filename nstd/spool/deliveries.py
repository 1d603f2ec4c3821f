"""The queue of what hooks have yet to be told; it is part of the ledger.

A row is written in the transaction of the change that it tells of, and deleted once it is
delivered: whatever dies in between, each event is delivered at least once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nstd.message import Message

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable, Sequence
    from contextlib import AbstractContextManager


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event, to be told to one hook.

    Attributes:
        hook: its key, see `Hook.key`.
        queued_at: seconds since the epoch.
        attempts: that have failed so far.
        not_before: seconds since the epoch before which it isn't tried again.
    """

    hook: str
    message: Message
    queued_at: float
    attempts: int = 0
    not_before: float = 0.0


class Deliveries:
    """The ledger's table of deliveries.

    Args:
        transaction: the ledger's, all or nothing.
        query: the ledger's, for reading.
    """

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[sqlite3.Connection]],
        query: Callable[[str, Sequence[Any]], list[sqlite3.Row]],
    ) -> None:
        self._transaction = transaction
        self._query = query

    @staticmethod
    def queue(connection: sqlite3.Connection, deliveries: Iterable[Delivery]) -> None:
        """Write rows within a transaction of the caller's; one that is there already stays."""
        for one in deliveries:
            connection.execute(
                "INSERT OR IGNORE INTO deliveries VALUES (?, ?, ?, ?, ?, ?)",
                [
                    one.hook,
                    one.message.message_id,
                    one.message.dump(),
                    one.queued_at,
                    one.attempts,
                    one.not_before,
                ],
            )

    def next_for(self, hook: str, now: float) -> Delivery | None:
        """What a hook is to be told next, the longest due first; None if there is nothing."""
        found = self._query(
            "SELECT * FROM deliveries WHERE hook = ? AND not_before <= ? "
            "ORDER BY not_before, queued_at LIMIT 1",
            [hook, now],
        )
        return _delivery(found[0]) if found else None

    def next_time(self, hook: str) -> float | None:
        """Seconds since the epoch at which a hook's next delivery is due; None if there is none."""
        (row,) = self._query(
            "SELECT min(not_before) AS first FROM deliveries WHERE hook = ?", [hook]
        )
        return None if row["first"] is None else float(row["first"])

    def count(self) -> int:
        """How many there are."""
        (row,) = self._query("SELECT count(*) AS number FROM deliveries", [])
        return int(row["number"])

    def remove(self, delivery: Delivery) -> None:
        """It is delivered, or given up."""
        with self._transaction() as connection:
            connection.execute(
                "DELETE FROM deliveries WHERE hook = ? AND message_id = ?",
                [delivery.hook, delivery.message.message_id],
            )

    def put_off(self, delivery: Delivery, until: float) -> None:
        """An attempt has failed; the next one is not before a moment."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE deliveries SET attempts = attempts + 1, not_before = ? "
                "WHERE hook = ? AND message_id = ?",
                [until, delivery.hook, delivery.message.message_id],
            )

    def hopeless(self, queued_before: float, hooks: Collection[str], limit: int) -> list[Delivery]:
        """Those queued before a moment that have failed, or whose hook is none of these."""
        found = self._query(
            "SELECT * FROM deliveries WHERE queued_at < ? ORDER BY queued_at", [queued_before]
        )
        told = (row for row in found if row["attempts"] or row["hook"] not in hooks)
        return [_delivery(row) for row, _ in zip(told, range(limit), strict=False)]


def _delivery(row: sqlite3.Row) -> Delivery:
    return Delivery(
        row["hook"],
        Message.load(row["message"]),
        row["queued_at"],
        row["attempts"],
        row["not_before"],
    )
