"""Work that would hold up the event loop, done on a loop of its own in a thread of its own.

ccxt makes markets out of a venue's whole listing in one go: a tenth of a second, at a venue with many options almost half of one, in
which no fill is heard and no order leaves. At a start that does no harm; when instruments are described again it would.
The thread is a daemon: it can hold up no exit.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def apart(work: Callable[[], Coroutine[Any, Any, T]], name: str) -> T:
    """What `work` returns or raises. Everything that it uses has to be made by itself: nothing of this loop may be touched.

    When the caller is cancelled, the work goes on to its own end and is answered to nobody.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)  # type: ignore[arg-type]  # there is a result where there is no error

    def run() -> None:
        result, error = None, None
        try:
            result = asyncio.run(work())
        except Exception as raised:
            error = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await answer
