"""A webhook: an event posted as JSON, signed after the Standard Webhooks specification 1.0.

Only addresses that stand in the configuration are ever posted to: redirects are not followed, no
proxy is asked, and a name is looked up once, so that what was checked is what is connected to.
Of several addresses each is tried until one can be connected to.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import functools
import ipaddress
import json
import socket
import ssl
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import httpx

import nstd
from nstd.errors import ConfigError
from nstd.hooks import signature
from nstd.hooks.outcome import Outcome, Verdict
from nstd.message import DOCUMENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nstd.hook_settings import Webhook
    from nstd.message import Message

_BUSY: Final = frozenset({httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE})
# Where clouds tell any program on a machine its secrets, besides the link-local 169.254.169.254.
_METADATA: Final = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200")))
_LONGEST_PAUSE: Final = 86_400.0


def post(settings: Webhook, message: Message, *, allow_link_local: bool) -> Outcome:
    """Post an event, once.

    Args:
        settings: where to, and which secret signs.
        message: what to tell.
        allow_link_local: post also to where clouds keep secrets.
    """
    try:
        keys = signature.keys(settings)
    except ConfigError as error:
        return Outcome(Verdict.RETRY, str(error))
    payload = body(message)
    headers = {
        "content-type": "application/json",
        "user-agent": f"nstd/{nstd.__version__}",
        **signature.headers(keys, message.message_id, int(time.time()), payload),
    }
    return asyncio.run(_post(settings, headers, payload, allow_link_local=allow_link_local))


def body(message: Message) -> bytes:
    """The payload: the same bytes each time, and no path of this machine but in a reason."""
    document: Mapping[str, Any] = message.document
    if DOCUMENTS[message.event] == "reason":
        # Details are for the operator: a traceback, for one.
        document = {key: value for key, value in document.items() if key != "details"}
    at = datetime.fromtimestamp(message.at, UTC).isoformat(timespec="microseconds")
    told = {
        "type": f"job.{message.event}",
        "timestamp": at.replace("+00:00", "Z"),
        "data": {
            "job_id": message.job_id,
            "name": message.name,
            **({"result": message.result} if message.result else {}),
            DOCUMENTS[message.event]: document,
        },
    }
    return json.dumps(told, separators=(",", ":")).encode()


async def _post(
    settings: Webhook, headers: Mapping[str, str], payload: bytes, *, allow_link_local: bool
) -> Outcome:
    url = httpx.URL(settings.url)
    seconds = settings.timeout_seconds
    trust = _trust()  # reading the machine's certificates is none of the receiver's time
    try:
        # In all: httpx's own time-outs begin anew with each byte.
        async with (
            asyncio.timeout(seconds),
            httpx.AsyncClient(verify=trust, trust_env=False, timeout=seconds) as client,
        ):
            *others, last = await _look_up(settings, allow_link_local=allow_link_local)
            request = functools.partial(
                client.stream,
                "POST",
                content=payload,
                headers={**headers, "host": url.netloc.decode()},
                extensions={"sni_hostname": url.raw_host.decode()},
            )
            for address in others:
                with contextlib.suppress(httpx.ConnectError):
                    async with request(url.copy_with(host=address)) as response:
                        return _judge(response)
            async with request(url.copy_with(host=last)) as response:
                return _judge(response)  # whatever it says beyond its status is not read
    except TimeoutError:
        return Outcome(Verdict.RETRY, f"took longer than {seconds:g} s (timeout_seconds)")
    except (httpx.HTTPError, OSError) as error:
        return Outcome(Verdict.RETRY, f"can't be reached: {error or type(error).__name__}")


async def _look_up(settings: Webhook, *, allow_link_local: bool) -> list[str]:
    """The server's addresses, one at least.

    Raises:
        OSError: it has none, or none that may be used.
    """
    found = await _in_a_thread(
        lambda: socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
    )
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    usable = [one for one in addresses if allow_link_local or not is_guarded(one)]
    if not usable:
        what = "is link-local, or a cloud's metadata (hooks.allow_link_local)"
        raise OSError(f"{addresses[0]} {what}")
    return usable


async def _in_a_thread(look_up: Callable[[], list[Any]]) -> list[Any]:
    """What a call that may block comes to; one that nobody waits for any more holds up nothing.

    asyncio's own threads would: its loop, and the process, end only after them.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[Any]] = loop.create_future()

    def tell(settle: Callable[[Any], None], result: object) -> None:
        if not found.done():
            settle(result)

    def run() -> None:
        try:
            settled: tuple[Callable[[Any], None], object] = found.set_result, look_up()
        except Exception as error:  # noqa: BLE001 - for who waits to handle
            settled = found.set_exception, error
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(tell, *settled)

    threading.Thread(target=run, name="nstd-look-up", daemon=True).start()
    return await found


def is_guarded(address: str) -> bool:
    """Whether an address is one at which no webhook of anybody's can be meant to listen."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    found = mapped or found
    return found.is_link_local or found.is_multicast or found.is_unspecified or found in _METADATA


def _judge(response: httpx.Response) -> Outcome:
    facts = {"status": response.status_code}
    if response.is_success:
        return Outcome(Verdict.DONE, facts=facts)
    reason = f"answered {response.status_code}"
    if response.status_code == httpx.codes.GONE:
        return Outcome(Verdict.GONE, reason, facts=facts)
    pause = 0.0
    if response.status_code in _BUSY:
        pause = _seconds(response.headers.get("retry-after", ""))
    return Outcome(Verdict.RETRY, reason, pause, facts)


def _seconds(retry_after: str) -> float:
    """What Retry-After asks for: seconds, or a date; 0 for anything else. At most a day."""
    if retry_after.isdecimal() and retry_after.isascii():
        return min(float(retry_after), _LONGEST_PAUSE)
    try:
        until = email.utils.parsedate_to_datetime(retry_after).timestamp()
    except (ValueError, OverflowError):
        return 0.0
    return min(max(0.0, until - time.time()), _LONGEST_PAUSE)


@functools.cache
def _trust() -> ssl.SSLContext:
    """The certificates that the machine trusts: an authority of one's own is installed there."""
    return ssl.create_default_context()
