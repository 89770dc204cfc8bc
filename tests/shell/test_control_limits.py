"""What people ask of a running bot about its limits and venues' words, on virtual time: overrides, reloads, quarantine."""

from __future__ import annotations

from dataclasses import replace

from bot.core.events import OperatorAction
from bot.core.policy import Policy
from bot.operating import Reloaded
from tests.shell.bench import hedged_bench, same_but_for_market, virtual
from tests.shell.test_control import RESUME, D, asked, written


@virtual
async def test_an_override_is_answered_with_what_it_does_and_stands_over_a_crash() -> None:
    bench = await hedged_bench()
    more = {"setting": "order_notional", "value": D(20_000), "lasts_ms": 60_000}
    answer = await asked(bench, OperatorAction.OVERRIDE, **more)
    assert answer.accepted
    assert answer.sentence.startswith("order_notional_max is 20000 instead of 250000 until ")
    refused = await asked(bench, OperatorAction.OVERRIDE, **(more | {"value": D(10_000_000)}))
    assert (refused.accepted, refused.sentence) == (False, "order_notional_max: 10000000 is not allowed: 10 to 5000000, whoever asks")
    await bench.crash()
    bench.start()
    await bench.until(bench.converged, 20)
    assert [o.field for o in bench.ledger.overrides] == ["order_notional_max"]
    await bench.passes(61)
    assert bench.ledger.overrides == ()
    again = await asked(bench, OperatorAction.OVERRIDE, **(more | {"lasts_ms": 0}))
    assert again.sentence == "order_notional_max is 250000 again, as configured"
    await bench.stop()
    assert same_but_for_market(bench.replayed(), bench.ledger)


@virtual
async def test_an_override_that_contradicts_another_limit_is_refused() -> None:
    bench = await hedged_bench()
    bench.life.run.control._contradiction = lambda policy: "no" if policy.slippage_max > policy.price_collar else None
    refused = await asked(bench, OperatorAction.OVERRIDE, setting="slippage_max", value=D("0.02"), lasts_ms=1_000)
    assert (refused.accepted, refused.sentence) == (False, "no")


def too_slippery(policy: Policy) -> str | None:
    return "slippage_max: is more than price_collar" if policy.slippage_max > policy.price_collar else None


@virtual
async def test_a_reload_is_judged_together_with_what_is_set_for_a_while() -> None:
    bench = await hedged_bench()
    control, before = bench.life.run.control, bench.policy
    control._contradiction = too_slippery
    wide = before.slippage_max * 2
    assert (await asked(bench, OperatorAction.OVERRIDE, setting="slippage_max", value=wide, lasts_ms=60_000)).accepted
    narrow = replace(before, price_collar=before.slippage_max)
    assert too_slippery(narrow) is None
    control._reload = lambda running: Reloaded(narrow, "f00d", "configuration f00d counts")
    refused = await asked(bench, OperatorAction.RELOAD)
    assert not refused.accepted
    assert refused.sentence == (
        f"slippage_max: is more than price_collar, with the override of slippage_max to {wide:f} by alice: end it first"
        " (`override LIMIT VALUE --for 0`); the configuration of before stays"
    )
    assert (bench.life.run.loop.policy, bench.life.run.loop.config_hash) == (before, "c0ffee")
    control._reload = lambda running: Reloaded(replace(before, order_notional_max=D(20_000)), "beef", "configuration beef counts")
    taken = await asked(bench, OperatorAction.RELOAD)
    assert taken.accepted
    assert taken.sentence.startswith(f"configuration beef counts; slippage_max is {wide:f} until ")
    assert taken.sentence.endswith(", set by alice")
    await asked(bench, OperatorAction.OVERRIDE, setting="slippage_max", value=wide, lasts_ms=0)
    control._reload = lambda running: Reloaded(narrow, "f00d", "configuration f00d counts")
    assert (await asked(bench, OperatorAction.RELOAD)).sentence == "configuration f00d counts"
    await bench.stop()


@virtual
async def test_a_run_that_begins_with_limits_that_an_override_contradicts_ends_it() -> None:
    bench = await hedged_bench()
    wide = bench.policy.slippage_max * 2
    assert (await asked(bench, OperatorAction.OVERRIDE, setting="slippage_max", value=wide, lasts_ms=3_600_000)).accepted
    control = bench.life.run.control
    control.end_contradicting(bench.policy)
    await bench.passes(1)
    assert [o.field for o in bench.ledger.overrides] == ["slippage_max"], "together they are none"
    control._contradiction = too_slippery
    control.end_contradicting(replace(bench.policy, price_collar=bench.policy.slippage_max))
    await bench.passes(1)
    assert bench.ledger.overrides == ()
    assert written(bench)[-1].why == "ended at the start: slippage_max: is more than price_collar"
    await bench.stop()
    assert same_but_for_market(bench.replayed(), bench.ledger)


@virtual
async def test_a_venue_is_put_into_quarantine_and_resumed() -> None:
    bench = await hedged_bench()
    venue = max(bench.world.exchanges)
    answer = await asked(bench, OperatorAction.QUARANTINE, venue=venue)
    assert answer.sentence == f"{venue} is HALTED (operator: quarantined, a drill)"
    known = set(bench.ledger.orders)
    bench.hold("ETH", "110")
    await bench.passes(10)
    new = {bench.ledger.venue_of(o.instrument) for i, o in bench.ledger.orders.items() if i not in known}
    assert new
    assert venue not in new
    await asked(bench, RESUME, venue=venue)
    await bench.until(bench.converged, 20)


@virtual
async def test_a_reload_takes_the_new_limits_and_replays_equal_and_a_bad_one_changes_nothing() -> None:
    bench = await hedged_bench()
    control, before = bench.life.run.control, bench.policy
    assert (await asked(bench, OperatorAction.RELOAD)).sentence == "there is no configuration to be read again"
    control._reload = lambda running: "policy.venue_share_max: 7 is not allowed; the configuration of before stays"
    refused = await asked(bench, OperatorAction.RELOAD)
    assert (refused.accepted, bench.life.run.loop.policy) == (False, before)
    smaller = replace(before, order_notional_max=D(20_000))
    control._reload = lambda running: Reloaded(smaller, "f00d", "configuration f00d counts: order_notional_max 250000 -> 20000")
    answer = await asked(bench, OperatorAction.RELOAD)
    assert answer.accepted
    bench.hold("ETH", "150")
    known = set(bench.ledger.orders)
    await bench.until(bench.converged, 60)
    new = [o for i, o in bench.ledger.orders.items() if i not in known]
    assert new
    assert max(abs(o.quantity) * o.price for o in new) <= 21_000
    (event,) = written(bench)
    assert (event.hash_before, event.config_hash, event.by) == ("c0ffee", "f00d", "alice")
    await bench.stop()
    assert same_but_for_market(bench.replayed(), bench.ledger)
