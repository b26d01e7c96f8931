"""Chance is keyed: it does not depend on who asked before."""

import os
import statistics
import subprocess
import sys

from producers.noise import Noise


def test_a_draw_depends_on_seed_name_and_key_alone() -> None:
    assert Noise(7, "MM1").uniform(3, 1) == Noise(7, "MM1").uniform(3, 1)
    draws = {Noise(seed, name).uniform(*key) for seed in (7, 8) for name in ("MM1", "MM2") for key in ((3, 1), (1, 3))}
    assert len(draws) == 8


def test_asking_more_often_changes_no_other_draw() -> None:
    asked, silent = Noise(7, "traders"), Noise(7, "traders")
    for step in range(100):
        asked.uniform(step)
    assert asked.normal(500) == silent.normal(500)


def test_uniform_draws_fill_the_open_unit_interval_evenly() -> None:
    draws = [Noise(1, "x").uniform(step) for step in range(20_000)]
    assert all(0 < draw < 1 for draw in draws)
    tenths = [sum(low / 10 <= draw < (low + 1) / 10 for draw in draws) for low in range(10)]
    assert all(1_800 < count < 2_200 for count in tenths), tenths


def test_normal_exponential_and_lognormal_draws_have_their_moments() -> None:
    noise = Noise(1, "x")
    normal = [noise.normal(step) for step in range(20_000)]
    assert abs(statistics.fmean(normal)) < 0.03 and abs(statistics.pstdev(normal) - 1) < 0.03
    assert abs(statistics.fmean(noise.exponential(300.0, step) for step in range(20_000)) - 300) < 10
    assert abs(statistics.median(noise.lognormal(5.0, 1.6, step) for step in range(20_000)) - 5) < 0.3


def test_the_interpreters_hash_seed_changes_nothing() -> None:
    program = "from producers.noise import Noise; print(Noise(7, 'MM1').uniform(1), Noise(7, 'MM1').normal(2))"
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "4242")
    }
    assert said == {f"{Noise(7, 'MM1').uniform(1)} {Noise(7, 'MM1').normal(2)}\n"}
