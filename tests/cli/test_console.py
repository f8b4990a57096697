"""What a command shows while it works."""

from __future__ import annotations

import io
import re

import pytest

from mlaas4hep.cli import console as module
from mlaas4hep.cli.console import Terminal

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        return ESCAPES.sub("", self.getvalue())


class Clock:
    """Seconds that pass only when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    return Screen()


def test_lines_every_few_seconds_and_at_the_end(clock: Clock) -> None:
    stream = io.StringIO()
    with Terminal(stream).stage("reading", 100_000) as advance:
        clock.now += 1.0
        advance(5_000, "too early")
        clock.now += 4.0
        advance(15_000, "epoch 1 loss 0.5")
        clock.now += 1.0
        advance(10_000, "too early again")
        clock.now += 4.0
        advance(70_000, "")
    assert stream.getvalue().splitlines() == [
        "reading: 20,000 of 100,000 events, 4.0k/s, 20 s left epoch 1 loss 0.5",
        "reading: 100,000 of 100,000 events, 10.0k/s, 0 s left",
        "reading: 100,000 events in 10.0 s, 10.0k/s",
    ]


def test_lines_without_a_total_and_beyond_it(clock: Clock) -> None:
    stream = io.StringIO()
    with Terminal(stream).stage("importance", None, "branches") as advance:
        clock.now += 5.0
        advance(10, "")
    with Terminal(stream).stage("training", 5) as advance:
        clock.now += 5.0
        advance(10, "")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "importance: 10 branches, 2/s"
    assert lines[2] == "training: 10 of 5 events, 2/s, 0 s left"


def test_what_is_quick_or_did_nothing_shows_nothing(clock: Clock) -> None:
    stream = io.StringIO()
    terminal = Terminal(stream)
    with terminal.stage("reading", 10) as advance:
        clock.now += 0.9
        advance(10, "")
    with terminal.stage("waiting", 10):
        clock.now += 60.0
    assert stream.getvalue() == ""


def test_work_that_counts_nothing_tells_its_time(clock: Clock, screen: Screen) -> None:
    stream = io.StringIO()
    with Terminal(stream).stage("training", None):
        clock.now += 12.0
    assert stream.getvalue() == "training: 12.0 s\n"
    with Terminal(screen).stage("training", None):
        pass
    assert "training" in screen.text()
    assert "events" not in screen.text()


def test_a_long_training_fills_no_log(clock: Clock) -> None:
    stream = io.StringIO()
    rounds = 12 * 3600
    with Terminal(stream).stage("training", rounds) as advance:
        for _ in range(rounds):
            clock.now += 1.0
            advance(1, "")
    lines = stream.getvalue().splitlines()
    assert 10 < len(lines) < 200
    first = [line.split()[1] for line in lines[:3]]
    assert first == ["5", "10", "15"]


def test_what_ends_before_its_total_ends_complete(screen: Screen) -> None:
    with Terminal(screen).stage("training", 3_000) as advance:
        advance(1_000, "stopped early")
    last = screen.text().splitlines()[-1]
    assert "1,000/1,000 events" in last


def test_an_error_leaves_a_stage() -> None:
    stream = io.StringIO()
    with pytest.raises(ZeroDivisionError), Terminal(stream).stage("reading", 10):
        _ = 1 // 0
    assert stream.getvalue() == ""


def test_notes_and_warnings() -> None:
    stream = io.StringIO()
    terminal = Terminal(stream)
    terminal.note("a [red]cutflow[/red]\n  in two lines")
    terminal.warn("Jet_pt[0] is odd")
    terminal.warn("Jet_pt[0] is odd")
    terminal.note("x" * 300)
    assert stream.getvalue().splitlines() == [
        "a [red]cutflow[/red]",
        "  in two lines",
        "warning: Jet_pt[0] is odd",
        "x" * 300,
    ]
    assert terminal.warnings == ["Jet_pt[0] is odd"]


def test_quiet_shows_warnings_only(clock: Clock) -> None:
    stream = io.StringIO()
    terminal = Terminal(stream, quiet=True)
    with terminal.stage("reading", 10) as advance:
        clock.now += 60.0
        advance(10, "")
    terminal.note("a note")
    terminal.warn("careful")
    assert stream.getvalue() == "warning: careful\n"


def test_standard_error_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.note("a note")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "a note\n")


def test_a_bar_on_a_terminal(screen: Screen) -> None:
    with Terminal(screen).stage("training", 2_000) as advance:
        advance(500, "epoch 1 loss[0] 0.5")
        advance(1_500, "epoch 2 Jet_pt[/b] 0.25")
    shown = screen.text()
    assert "training" in shown
    assert "2,000/2,000 events" in shown
    assert "epoch 2 Jet_pt[/b] 0.25" in shown


def test_a_bar_without_a_total(screen: Screen) -> None:
    with Terminal(screen).stage("importance", None, "branches") as advance:
        advance(7, "")
    assert "7 branches" in screen.text()


def test_an_error_leaves_a_bar(screen: Screen) -> None:
    with pytest.raises(ZeroDivisionError), Terminal(screen).stage("training", 10):
        _ = 1 // 0
    assert "\x1b[?25h" in screen.getvalue()  # the cursor is shown again


@pytest.mark.parametrize(
    ("rate", "text"),
    [(0.44, "0.4"), (9.0, "9"), (999.0, "999"), (1000.0, "1.0k"), (12_345.0, "12.3k"), (2_500_000.0, "2.5M")],
)
def test_rates(rate: float, text: str) -> None:
    assert module._si(rate) == text
