"""Events."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from asking import HOST, ask, listen, scope, silent
from jobs import failed, queued

from nstd.web import app, live, lookout
from nstd.web.pages import SECTIONS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Message

    from nstd.spool.desk import Desk

PATIENCE = 30.0
Events = asyncio.Queue[dict[str, Any] | bytes]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look more often than people need it."""
    monkeypatch.setattr(live, "_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(lookout, "PAUSE_SECONDS", 0.01)


class Ending:
    """A server that ends when it is told to."""

    def __init__(self) -> None:
        self.is_now = False

    def __call__(self) -> bool:
        """Say whether it ends."""
        return self.is_now


def follow(desk: Desk, steps: Callable[[Events, Ending], Awaitable[None]]) -> None:
    """Listen while steps are taken, then end the server, which must let its listener go."""

    async def run() -> None:
        ending = Ending()
        page = app.assemble(desk.config, desk.config.root / "cache", ending)
        events: Events = asyncio.Queue()
        listening = asyncio.create_task(listen(page, events))
        await asyncio.wait_for(steps(events, ending), PATIENCE)
        ending.is_now = True
        await asyncio.wait_for(listening, PATIENCE)

    asyncio.run(run())


def test_first_comes_everything_then_only_what_has_changed(desk: Desk) -> None:
    """As the page has it."""

    async def steps(events: Events, ending: Ending) -> None:
        del ending
        assert await events.get() == b"retry: 2000\n\n"
        first = await events.get()
        assert isinstance(first, dict)
        assert set(first["sections"]) == set(SECTIONS)
        whole = ask_later(desk)
        for html in first["sections"].values():
            assert html in await whole
            whole = ask_later(desk)
        await whole
        queued(desk, "fresh")
        second = await events.get()
        assert isinstance(second, dict)
        assert set(second["sections"]) == {"state", "waiting"}
        assert "fresh" in second["sections"]["waiting"]
        desk.ledger.advance(failed(desk, "bad"), settled=False)
        third = await events.get()
        assert isinstance(third, dict)
        assert "news" not in third["sections"] or "bad" in third["sections"]["news"]

    follow(desk, steps)


def ask_later(desk: Desk) -> Awaitable[str]:
    """Ask for the page from within a loop."""
    return asyncio.to_thread(lambda: ask(desk.config, "/").text)


def test_silence_is_broken(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that nobody on the way thinks that the connection is dead."""
    monkeypatch.setattr(live, "_SILENCE_SECONDS", 0.1)

    async def steps(events: Events, ending: Ending) -> None:
        del ending
        while await events.get() != b": still here\n\n":
            pass

    follow(desk, steps)


def test_trouble_is_an_event_too(desk: Desk) -> None:
    """And the page goes on when it is over."""

    async def steps(events: Events, ending: Ending) -> None:
        del ending
        await events.get()
        await events.get()
        state = desk.config.folder("state")
        away = state.with_name("away")
        state.rename(away)
        event = await events.get()
        assert isinstance(event, dict)
        assert "Nothing can be seen" in event["sections"]["state"]
        assert set(event["sections"]) == {"state"}  # what was seen last stays
        away.rename(state)
        event = await events.get()
        assert isinstance(event, dict)
        assert "nstd is not running" in event["sections"]["state"]

    follow(desk, steps)


def test_listeners_share_their_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten of them cost the ledger what one does."""
    monkeypatch.setattr(lookout, "PAUSE_SECONDS", 1000.0)
    looks = []

    async def run() -> None:
        shared = lookout.Lookout(lambda: looks.append(1) or len(looks))
        assert await asyncio.gather(*(shared.answer() for _ in range(10))) == [1] * 10

    asyncio.run(run())
    assert looks == [1]


def test_there_is_room_for_so_many_listeners(desk: Desk) -> None:
    """One more is refused, until one leaves."""

    async def run() -> None:
        ending = Ending()
        page = app.assemble(desk.config, desk.config.root / "cache", ending)
        events: Events = asyncio.Queue()
        listening = [asyncio.create_task(listen(page, events)) for _ in range(live.LISTENERS)]
        for _ in listening:
            while await events.get() != b"retry: 2000\n\n":
                pass
        assert await status(page) == 503
        listening[0].cancel()
        await asyncio.wait(listening[:1])
        listening[0] = asyncio.create_task(listen(page, events))
        while await events.get() != b"retry: 2000\n\n":
            pass
        ending.is_now = True
        await asyncio.gather(*listening)

    async def status(page: Any) -> int:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        await page(scope("/events", HOST), silent, send)
        return int(sent[0]["status"])

    asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_a_question_for_the_head_opens_no_stream(desk: Desk) -> None:
    """It ends at once."""
    answer = ask(desk.config, "/events", method="HEAD")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
