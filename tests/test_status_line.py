"""Status line: rewritten on a terminal, lines of JSON elsewhere, and no oftener than it can be read."""

import json
import sys
import time
from collections.abc import Iterator

import pytest

from stream_engine.cli import status_line
from stream_engine.cli.status_line import FRAMES_EVERY_S, StatusLine


class Clock:
    now_s = 1_000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock.monotonic)
    yield clock


def test_elsewhere_a_line_of_json_comes_every_five_seconds(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    line = StatusLine()
    for second in range(12):
        clock.now_s = 1_000.0 + second
        assert line.due == (second in (5, 10))
        line.say(at="20:50:00", inputs=second)
    line.end()
    said = [json.loads(each) for each in capsys.readouterr().err.splitlines()]
    assert said == [{"at": "20:50:00", "inputs": 5}, {"at": "20:50:00", "inputs": 10}]


def test_on_a_terminal_one_line_is_rewritten_four_times_a_second_and_taken_away_at_the_end(
    clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_line, "can_draw", lambda stream: stream is sys.stderr)
    line = StatusLine()
    for quarter in range(4):
        clock.now_s = 1_000.0 + quarter * FRAMES_EVERY_S / 2
        line.say(waiting_for="alpha", inputs=12_345 + quarter)
    line.end()
    said = capsys.readouterr().err.split("\r")
    assert said == ["", "waiting for alpha  inputs 12,345", "waiting for alpha  inputs 12,347", ""]


def test_on_a_terminal_what_is_told_of_several_is_told_of_each(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_line, "can_draw", lambda stream: True)
    StatusLine().say(at={"alpha": "20:50:00", "beta": "20:50:01"}, events=1_000)
    assert capsys.readouterr().err == "\rat alpha 20:50:00, beta 20:50:01  events 1,000"


def test_a_line_is_never_longer_than_the_terminal_is_wide(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_line, "can_draw", lambda stream: True)
    monkeypatch.setenv("COLUMNS", "20")
    StatusLine().say(trouble="x" * 50)
    assert capsys.readouterr().err == "\rtrouble " + "x" * 11
