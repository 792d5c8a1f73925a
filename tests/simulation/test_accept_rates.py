"""The stated error rates of the acceptance rule, in simulation; and that they break when the rule is not kept.

4,000 devices of each kind here; ``scripts/accept-rates`` and the tests marked ``long`` make 40,000.
"""

from __future__ import annotations

from dataclasses import replace
from math import log

import numpy as np
import pytest

from benchsuite.accept import rule
from benchsuite.model import Contract, Rule
from tests.acceptance_data import MEMORY, contract
from tests.simulation import acceptances
from tests.simulation.acceptances import BAD, GOOD, NOISES, SPREADS, normal, simulated, slow_tail
from tests.simulation.draws import at_least, at_most
from tests.simulation.rates import Count

REPS = 4000
STATED = 0.01
CELLS = [(name, sd) for name in NOISES for sd in SPREADS]
ONCE = Rule(retests=0)


def agreed(units: int = 1, requirements: int = 1, rule_: Rule | None = None) -> Contract:
    asked = [replace(MEMORY, name=f"r{i}") for i in range(requirements)]
    return contract(devices=units, requirements=asked, rule=rule_ or Rule())


@pytest.mark.parametrize("units", [1, 512])
@pytest.mark.parametrize(("name", "sd"), CELLS)
def test_bad_devices_are_not_accepted_and_good_ones_not_rejected(name: str, sd: float, units: int) -> None:
    for rule_ in (Rule(), ONCE):
        one = agreed(units, rule_=rule_)
        assert at_least(simulated([BAD], NOISES[name], sd, one, REPS).accepted, REPS) <= STATED
        assert at_least(simulated([GOOD], NOISES[name], sd, one, REPS).rejected, REPS) <= STATED


@pytest.mark.parametrize("sd", SPREADS)
def test_perfect_devices_are_accepted_soon_and_very_bad_ones_rejected(sd: float) -> None:
    perfect, awful = (simulated([one], normal, sd, agreed(), REPS) for one in (0.0, log(0.93)))
    assert perfect.accepted >= 0.999 * REPS
    assert awful.rejected >= 0.999 * REPS
    assert perfect.runs.mean() < 8


def test_of_many_requirements_one_bad_is_enough_and_all_good_are_not_rejected() -> None:
    one = agreed(requirements=8)
    assert at_least(simulated([BAD, *[0.0] * 7], normal, 0.02, one, REPS).accepted, REPS) <= STATED
    assert at_least(simulated([GOOD] * 8, normal, 0.02, one, REPS).rejected, REPS) <= STATED


def fleets_that_reject(each: rule.Levels | None = None) -> Count:
    """60 fleets of 512 devices, every one exactly at -2 %: in how many somebody is rejected."""
    said = simulated([GOOD], normal, 0.02, agreed(512, rule_=ONCE), 512 * 60, each=each)
    return Count(int((said.words.reshape(60, -1) == rule.REJECT).any(axis=1).sum()), 60)


def test_of_a_whole_fleet_at_the_limit_nobody_is_rejected() -> None:
    assert at_least(fleets_that_reject().hits, 60) <= STATED


def test_normal_noise_of_any_spread_keeps_the_rates() -> None:
    assert at_least(simulated([BAD], normal, 0.04, agreed(rule_=ONCE), REPS).accepted, REPS) <= STATED
    assert at_least(simulated([GOOD], normal, 0.04, agreed(rule_=ONCE), REPS).rejected, REPS) <= STATED


def test_in_a_fleet_slow_memory_is_found_all_the_same() -> None:
    said = simulated([log(0.94)], normal, 0.01, agreed(512), REPS)
    assert said.rejected >= 0.999 * REPS
    assert said.accepted == 0


def test_not_to_do_one_run_against_a_fixed_limit() -> None:
    row = acceptances.row("normal", 0.01, REPS)
    assert at_least(row.naive_accepted.hits, REPS) > 0.4
    assert row.accepted.hits <= 0.01 * REPS


def test_not_to_do_each_look_as_if_it_were_the_only_one() -> None:
    """Without dividing alpha and beta by the looks."""
    whole = rule.Levels(0.01, 0.01, 0.01)
    one = agreed(rule_=ONCE)
    assert at_least(simulated([BAD], normal, 0.04, one, REPS, each=whole).accepted, REPS) > STATED
    assert at_least(simulated([GOOD], normal, 0.04, one, REPS, each=whole).rejected, REPS) > STATED


def test_not_to_do_samples_instead_of_runs() -> None:
    """Thirty samples of each run, taken for runs."""
    rng = np.random.default_rng(3)
    looks = (120, 180, 270, 420, 600)
    y = BAD + np.repeat(0.04 * rng.standard_normal((REPS, 1, 20)), 30, axis=-1)
    y += 0.01 * rng.standard_normal(y.shape)
    found = rule.replay(y, np.array([GOOD]), np.array([BAD]), looks, rule.levels(agreed(rule_=ONCE)))
    assert at_least(int((found.word == rule.ACCEPT).sum()), REPS) > 5 * STATED


def test_not_to_do_the_slowest_runs_set_aside() -> None:
    """The six fastest of twenty runs."""
    rng = np.random.default_rng(3)
    y = np.sort(BAD + 0.02 * rng.standard_normal((REPS, 1, 20)), axis=-1)[..., -6:]
    found = rule.replay(y, np.array([GOOD]), np.array([BAD]), (4, 6), rule.levels(agreed(rule_=ONCE)))
    assert at_least(int((found.word == rule.ACCEPT).sum()), REPS) > 5 * STATED


def test_not_to_do_marginal_at_the_level_of_the_whole_claim() -> None:
    """Where only what a fleet of 512 would reject is marginal, a tail to one side lets bad devices through.

    Four runs without a slow one among them agree well, and lie above the mean.
    """
    one = agreed(512, rule_=ONCE)
    divided = replace(rule.levels(one), worse=rule.levels(one).reject)
    assert at_least(simulated([BAD], slow_tail, 0.01, one, REPS, each=divided).accepted, REPS) > STATED
    assert at_least(simulated([BAD], slow_tail, 0.01, one, REPS).accepted, REPS) <= STATED


def test_not_to_do_alpha_for_one_device_among_many() -> None:
    alone = rule.levels(agreed(1, rule_=ONCE))
    assert fleets_that_reject(alone).at_least > 0.3


@pytest.mark.long
@pytest.mark.parametrize("units", [1, 512])
@pytest.mark.parametrize(("name", "sd"), CELLS)
def test_the_rates_that_are_published_hold(name: str, sd: float, units: int) -> None:
    row = acceptances.row(name, sd, 40_000, units)
    assert at_most(row.accepted.hits, row.accepted.of) <= STATED
    assert at_most(row.rejected.hits, row.rejected.of) <= STATED
