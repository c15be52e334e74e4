"""A strategy on a live exchange: view from the client, decide, commands back, and the record.

At wall speed it decides when the book has changed, at most once an interval; in lockstep once a
step, exactly as `backtest.py` does.
"""

import asyncio
from collections import deque
from math import inf

from strategies.client import ExchangeClient
from strategies.desk import Desk
from strategies.errors import ExchangeError, Refused, Unreachable
from strategies.quoting import Command
from strategies.strategy import Strategy
from strategies.trader import Trader
from strategies.wire import Json, command_message

AGES_KEPT = 100_000
WAIT_S = 0.5  # how long a quiet market is waited for before looking at the clock


class LiveRun:
    """One strategy at one desk. `stop()` ends the run at its next decision."""

    def __init__(self, client: ExchangeClient, desk: Desk, strategy: Strategy) -> None:
        self.client = client
        self.desk = desk
        self.trader = Trader(strategy)
        self._stopping = asyncio.Event()
        self.ages_ns: deque[int] = deque(
            maxlen=AGES_KEPT
        )  # of views, when their commands took effect
        self._quote_ids: set[int] = set()
        self._sent: list[asyncio.Future[Json]] = []  # lockstep: answered with the next step

    def stop(self) -> None:
        """End the run soon."""
        self._stopping.set()
        self.desk.changed.set()

    # --- at wall speed ----------------------------------------------------------------------------

    async def run(self, duration_s: float, interval_s: float, speed: float = 1.0) -> None:
        """Trade for a time (inf: until stopped), deciding at most once an interval.

        Both are seconds of this computer's clock; speed: market seconds in one of them. Raises what
        ends the connection for good.
        """
        clock = asyncio.get_running_loop().time
        end = clock() + duration_s
        if duration_s < inf:
            market_ns = round(duration_s * speed * 1e9)
            self.trader.end_ns = int(self.desk.depth["time_ns"]) + market_ns
        due = clock()
        while not self._stopping.is_set() and clock() < end:
            changed = await self.client.wait(self.desk, min(WAIT_S, max(end - clock(), 0.0)))
            if not changed or not await self._pause(due - clock()):
                continue
            if self.client.connected(self.desk):
                due = clock() + interval_s
                await self._decide()

    async def _pause(self, seconds: float) -> bool:
        """Wait; False when the run is stopped meanwhile."""
        if seconds <= 0:
            return True
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return True
        return False

    async def _decide(self) -> None:
        """One decision, its commands sent and answered."""
        seen_ns = int(self.desk.depth["time_ns"])
        for command in self._act():
            message = command_message(self.desk.instrument, command)
            try:
                answer = await self.client.send(message)
                self._count(answer)
                # market time that had passed since the view when the command took effect: in a
                # backtest none does
                self.ages_ns.append(int(answer["time_ns"]) - seen_ns)
            except Refused as refused:
                self.trader.count_refusal(refused.code)
            except Unreachable:
                return  # the client connects again, and the next decision starts from what it finds

    # --- in lockstep ------------------------------------------------------------------------------

    async def run_steps(self, n_steps: float = inf) -> None:
        """Trade for a number of lockstep steps (inf: until stopped).

        At the last one the account is only looked at; the market goes on when the client leaves.
        """
        first, handled = None, 0
        while True:
            await self._step_after(handled)
            step, told = self.desk.step, self.desk.n_steps_told
            await self._count_answers()
            if first is None:
                first = step
                if n_steps < inf:
                    market_ns = int(n_steps) * self.desk.step_ns
                    self.trader.end_ns = int(self.desk.depth["time_ns"]) + market_ns
            if step - first >= n_steps or self._stopping.is_set():
                return self.sample()
            try:
                for command in self._act():
                    message = command_message(self.desk.instrument, command)
                    self._sent.append(await self.client.post(message))
                await self.client.done(self.desk)
            except Unreachable:
                pass  # the step is announced again on the next connection
            handled = told

    async def _step_after(self, handled: int) -> None:
        """Wait until a step is told that has not been handled; stopping ends the wait."""
        while self.desk.n_steps_told == handled or not self.client.connected(self.desk):
            if self._stopping.is_set():
                break
            await self.client.wait(self.desk, WAIT_S)

    async def _count_answers(self) -> None:
        """Count what became of the commands of the step before; all are answered by now."""
        for future in self._sent:
            try:
                self._count(await future)
            except Refused as refused:
                self.trader.count_refusal(refused.code)
            except Unreachable:
                continue
        self._sent.clear()

    # --- both -------------------------------------------------------------------------------------

    def _act(self) -> list[Command]:
        blotter = self.desk.blotter
        self.trader.fills.extend(blotter.take_fills())
        return self.trader.act(
            self.desk.depth, blotter.write_account(), blotter.own_bid, blotter.own_ask
        )

    def sample(self) -> None:
        """Write down what the account is worth now."""
        self.trader.fills.extend(self.desk.blotter.take_fills())
        self.trader.sample(self.desk.depth, self.desk.blotter.write_account())

    def _count(self, result: Json) -> None:
        """Count the orders that a quote or an enter brought into the market, and the refusals."""
        if "bid" not in result:
            self.trader.count_order(self.desk.instrument.lots(result["quantity"]))
            return
        answers = [order for order in (result["bid"], result["ask"]) if order is not None]
        for order in answers:
            if order["order_id"] not in self._quote_ids:
                self.trader.count_order(self.desk.instrument.lots(order["quantity"]))
        self._quote_ids = {order["order_id"] for order in answers}
        for error in (result["bid_error"], result["ask_error"]):
            if error is not None:
                self.trader.count_refusal(error["code"])

    async def finish(self) -> None:
        """Cancel what rests, take in the last fills and look at the account once more."""
        try:
            await self.client.cancel_all(self.desk)
            await self.client.send({"op": "ping"})  # what was reported before is here after it
        except ExchangeError as error:
            self.client.note(error)
        self.sample()
