"""`liqstorm whatif` as a user meets it: the table, the page, what is refused, and how it ends."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.test_cli import COMMAND, SURROUNDINGS, complaint, liqstorm
from tests.whatif.tiny import tiny

VARIANT = ("--set", "venue.adl.policy=pro-rata")


def whatif(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    return liqstorm("whatif", *words, "--quiet")


def test_the_table_fits_80_columns_and_has_every_outcome_that_came_to_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SURROUNDINGS, "COLUMNS", "80")
    run = whatif(tiny(tmp_path), *VARIANT, "--runs", "2", "--jobs", "2")
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert lines[0] == "hedged-portfolio: what if venue.adl.policy=pro-rata"
    for title in ("liquidated", "deleveraged (ADL)", "token depth, trough", "open interest"):
        assert any(line.startswith(title) for line in lines)
    assert "makers' profit" in run.stdout.partition("In no run: ")[2]


def test_json_has_the_values_of_each_seed_and_the_same_noise_either_way(tmp_path: Path) -> None:
    words = (tiny(tmp_path), "--set", "venue.fund_usdt=10001", "--runs", "2", "--seed", "5", "--json")
    told = json.loads(whatif(*words).stdout)
    assert told["paired_seeds"] == [5, 6]
    assert not told["partial"] and told["failed"] == []
    # A dollar more in a fund that never runs dry changes nothing, to the last digit.
    liquidated = told["outcomes"]["liquidated"]
    assert all(sides["base"] == sides["variant"] for sides in liquidated["by_seed"].values())
    assert liquidated["difference"] == {"median": 0.0, "low": 0.0, "high": 0.0, "runs": 2}
    assert (liquidated["up"], liquidated["down"], liquidated["same"]) == (0, 0, 2)
    assert liquidated["unit"] == "M USD"


def test_the_page_stands_alone_and_is_whole(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert whatif(tiny(tmp_path), *VARIANT, "--runs", "2", "--html", page).returncode == 0
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text and "@import" not in text
    assert re.findall(r"""(?:src|href)\s*=|url\(|https?://""", text) == []
    assert text.count("<svg") == text.count('<div class="card">') > 0
    assert "prefers-color-scheme:dark" in text and "@media print" in text
    Closed().feed(text)


class Closed(HTMLParser):
    """Every element that is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_what_a_setting_says_is_no_html(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert whatif(tiny(tmp_path), "--set", "title='<b>x</b>'", "--runs", "1", "--html", page).returncode == 0
    assert "<b>" not in page.read_text() and "&lt;b&gt;x" in page.read_text()


def test_the_directory_has_table_page_and_a_line_of_each_run(tmp_path: Path) -> None:
    out = tmp_path / "made"
    run = whatif(tiny(tmp_path), *VARIANT, "--runs", "2", "--out", out)
    assert run.returncode == 0 and str(out) in run.stdout.replace("\n", "")
    assert sorted(file.name for file in out.iterdir()) == ["page.html", "runs.jsonl", "table.json"]
    runs = [json.loads(line) for line in (out / "runs.jsonl").read_text().splitlines()]
    assert [(each["side"], each["run"]["seed"]) for each in runs] == [
        ("base", 1), ("variant", 1), ("base", 2), ("variant", 2),
    ]  # fmt: skip


# refused before anything runs ------------------------------------------------------------------------------


def test_without_a_variant_it_asks_for_one(tmp_path: Path) -> None:
    assert "says what the variant changes" in complaint(whatif(tiny(tmp_path)), 2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--set", "venue.fund_usdt=10_000"), "comes to the same scenario as the base"),
        (("--set", "venue.fund_usd=1"), "venue.fund_usd: there is no such setting; the nearest is fund_usdt"),
        (("--base-set", "vanue.x=1", *VARIANT), "vanue: there is no such setting"),
        (("--with", "no-such"), "no-such"),
        (("--set", "markets.BTC.open_interest_usdt=1"), "less than one lot"),
        ((*VARIANT, "--html", "no/such/page.html"), "cannot write no/such/page.html: no such file or directory"),
    ],
)
def test_what_cannot_be_played_is_said_at_once(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    assert said in complaint(whatif(tiny(tmp_path), *words), 1)


@pytest.mark.parametrize("words", [("--runs", "0"), ("--jobs", "0"), ("--seed", "-1")])
def test_numbers_out_of_their_bounds_are_wrong_words(tmp_path: Path, words: tuple[str, str]) -> None:
    assert words[0] in complaint(whatif(tiny(tmp_path), *VARIANT, *words), 2)


# how it ends -----------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals on Windows")
def test_ctrl_c_gives_what_is_done_so_far_says_that_it_is_partial_and_leaves_nobody_behind(tmp_path: Path) -> None:
    words = ["whatif", str(tiny(tmp_path)), *VARIANT, "--runs", "500", "--jobs", "2", "--json", "--out", "made"]
    command = subprocess.Popen(
        [*COMMAND, *words], cwd=tmp_path, env=SURROUNDINGS, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert command.stderr is not None
    while '"runs"' not in command.stderr.readline():  # the first line of progress: five seconds have gone by
        assert command.poll() is None
    os.killpg(command.pid, signal.SIGINT)  # as a terminal does: everybody in the group hears it
    said, complaints = command.communicate(timeout=30)
    assert command.returncode == 130, complaints
    assert "Traceback" not in complaints
    told = json.loads(said)
    assert told["partial"] and told["stopped"] and 0 < len(told["paired_seeds"]) < 500
    assert json.loads((tmp_path / "made" / "table.json").read_text()) == told
    assert is_gone(command.pid)


def is_gone(group: int) -> bool:
    """Whether nobody of a group of processes is left, within a few seconds."""
    until_s = time.monotonic() + 5
    while time.monotonic() < until_s:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
