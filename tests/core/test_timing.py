"""When a task may start and has to be done: known answers, and what authors may write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.core import timing
from ropewalk.core.errors import DefinitionError
from ropewalk.core.options import run_policy, with_options
from ropewalk.core.policy import PLAIN
from ropewalk.core.timing import Timing, check_now, checked
from ropewalk.core.window import parse_window

NIGHT = "22:00-06:00 Europe/Paris"
OFFICE = "Mon-Fri 09:00-17:00 Europe/Paris"
PARIS = ZoneInfo("Europe/Paris")


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def paris(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, PARIS):%a %m-%d %H:%M%z}"


# Clocks in Paris go from 02:00 to 03:00 on 29 March 2026, and from 03:00 back to 02:00 on 25 October 2026.
@pytest.mark.parametrize(
    ("window", "now", "opens"),
    [
        # an ordinary week
        (NIGHT, "2026-06-10T12:00+02:00", "Wed 06-10 22:00+0200"),
        (NIGHT, "2026-06-10T22:00+02:00", "Wed 06-10 22:00+0200"),
        (NIGHT, "2026-06-11T05:59+02:00", "Thu 06-11 05:59+0200"),
        (NIGHT, "2026-06-11T06:00+02:00", "Thu 06-11 22:00+0200"),
        (OFFICE, "2026-06-12T17:00+02:00", "Mon 06-15 09:00+0200"),
        (OFFICE, "2026-06-13T12:00+02:00", "Mon 06-15 09:00+0200"),
        (OFFICE, "2026-06-12T16:59+02:00", "Fri 06-12 16:59+0200"),
        # a window belongs to the day on which it begins
        ("Fri 22:00-06:00 Europe/Paris", "2026-06-13T05:00+02:00", "Sat 06-13 05:00+0200"),
        ("Fri 22:00-06:00 Europe/Paris", "2026-06-12T05:00+02:00", "Fri 06-12 22:00+0200"),
        ("Sun 22:00-06:00 Europe/Paris", "2026-06-15T05:00+02:00", "Mon 06-15 05:00+0200"),
        ("Sat-Mon 00:00-24:00 Europe/Paris", "2026-06-16T00:00+02:00", "Sat 06-20 00:00+0200"),
        ("Tue,Thu 08:00-09:00 Europe/Paris", "2026-06-10T12:00+02:00", "Thu 06-11 08:00+0200"),
        # the zone counts, not the machine
        ("09:00-17:00 America/New_York", "2026-06-10T12:00+02:00", "Wed 06-10 15:00+0200"),
        # spring: 02:00–03:00 is not shown
        ("02:30-05:00 Europe/Paris", "2026-03-29T00:00+01:00", "Sun 03-29 03:00+0200"),
        ("02:00-03:00 Europe/Paris", "2026-03-29T00:00+01:00", "Mon 03-30 02:00+0200"),
        ("Sun 02:15-02:45 Europe/Paris", "2026-03-28T12:00+01:00", "Sun 04-05 02:15+0200"),
        (NIGHT, "2026-03-29T05:59+02:00", "Sun 03-29 05:59+0200"),
        (NIGHT, "2026-03-29T06:00+02:00", "Sun 03-29 22:00+0200"),
        # autumn: 02:00–03:00 is shown twice
        ("02:30-04:00 Europe/Paris", "2026-10-25T00:00+02:00", "Sun 10-25 02:30+0200"),
        ("02:30-04:00 Europe/Paris", "2026-10-25T02:00+01:00", "Sun 10-25 02:30+0100"),
        ("02:00-02:30 Europe/Paris", "2026-10-25T02:45+02:00", "Sun 10-25 02:00+0100"),
        ("22:00-02:30 Europe/Paris", "2026-10-25T02:45+02:00", "Sun 10-25 02:00+0100"),
        (NIGHT, "2026-10-25T05:59+01:00", "Sun 10-25 05:59+0100"),
        (NIGHT, "2026-10-25T06:00+01:00", "Sun 10-25 22:00+0100"),
    ],
)
def test_when_a_window_opens(window: str, now: str, opens: str) -> None:
    assert paris(parse_window(window).next_open(at(now))) == opens


ZONES = ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Asia/Kathmandu", "UTC"]
MINUTES = st.integers(0, 1439)


@given(
    st.sampled_from(ZONES),
    st.sets(st.sampled_from(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]), min_size=1),
    MINUTES,
    MINUTES,
    st.sampled_from(["2026-03-08", "2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25", "2026-11-01", "2026-06-10"]),
    st.integers(-1500, 1500),
)
def test_a_window_opens_at_the_first_minute_at_which_a_clock_on_the_wall_is_in_it(
    zone: str, days: set[str], first: int, end: int, day: str, minute: int
) -> None:
    if first == end:
        return
    window = parse_window(f"{','.join(days)} {first // 60:02}:{first % 60:02}-{end // 60:02}:{end % 60:02} {zone}")
    now = at(day + "T00:00+00:00") + 60 * minute

    opens = window.next_open(now)

    assert window.is_open(opens)
    for k in range(min(2000, int(opens - now) // 60)):
        assert not window.is_open(now + 60 * k)


def test_a_window_is_open_for_as_long_as_it_is_shown() -> None:
    """Five hours in a night of spring, nine in one of autumn."""
    window = parse_window(NIGHT)

    def hours(evening: str) -> float:
        return sum(window.is_open(at(evening) + 60 * k) for k in range(16 * 60)) / 60

    nights = ("2026-03-28T20:00+01:00", "2026-06-10T20:00+02:00", "2026-10-24T20:00+02:00")
    assert [hours(evening) for evening in nights] == [7, 8, 9]


BEGAN = at("2026-06-10T12:00+02:00")


@pytest.mark.parametrize(
    ("times", "starts"),
    [
        (Timing(), "Wed 06-10 12:00+0200"),
        (Timing(not_before="2h"), "Wed 06-10 14:00+0200"),
        (Timing(not_before="2026-06-10T09:00:00Z"), "Wed 06-10 12:00+0200"),
        (Timing(not_before="2026-06-11 08:30 Europe/Paris"), "Thu 06-11 08:30+0200"),
        (Timing(window=NIGHT), "Wed 06-10 22:00+0200"),
        (Timing(window=NIGHT, not_before="11h"), "Wed 06-10 23:00+0200"),
        (Timing(window=OFFICE, not_before="2026-06-13T08:00+02:00"), "Mon 06-15 09:00+0200"),
    ],
)
def test_the_earliest_start(times: Timing, starts: str) -> None:
    assert paris(timing.start_at(checked(times), BEGAN, BEGAN)) == starts


def test_durations_count_from_when_the_run_was_made_and_not_from_now() -> None:
    times = checked(Timing(not_before="1h", deadline="2h", expires="90m"))

    assert timing.start_at(times, BEGAN + 1800, BEGAN) == BEGAN + 3600
    assert timing.start_at(times, BEGAN + 4000, BEGAN) == BEGAN + 4000
    assert timing.deadline_at(times, BEGAN) == BEGAN + 7200
    assert timing.expires_at(times, BEGAN) == BEGAN + 5400
    assert timing.deadline_at(Timing(), BEGAN) is None is timing.expires_at(Timing(), BEGAN)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (5400, "5400s"),
        (0.25, "0.25s"),
        (12_345_678, "12345678s"),
        ("5400", "5400"),
        (datetime(2026, 12, 1, 8, tzinfo=timezone(timedelta(hours=1))), "2026-12-01T08:00:00+01:00"),
        (None, ""),
    ],
)
def test_times_may_be_numbers_and_datetimes_and_are_kept_as_texts(given: Any, kept: str) -> None:
    assert with_options(PLAIN, {"deadline": given}).timing.deadline == kept
    assert timing.deadline_at(checked(Timing(deadline=kept)), 0.0) is not None or given is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"deadline": "10 parsecs"}, "`deadline` is neither a moment nor a duration: '10 parsecs'"),
        ({"not_before": "tomorrow"}, "`not_before` is neither"),
        ({"expires": "-2h"}, "`expires` is neither"),
        ({"expires": ["2h"]}, "`expires` is not a duration"),
        ({"deadline": -5}, "`deadline` is not a duration: -5"),
        ({"deadline": True}, "`deadline` is not a duration: True"),
        ({"deadline": "0s"}, "`deadline` is over when the run begins"),
        ({"deadline": "99999w"}, "further than a hundred years"),
        ({"not_before": "2026-12-01T08:00:00"}, "`not_before` has no time zone"),
        ({"not_before": "2026-12-01"}, "`not_before` has no time zone"),
        ({"not_before": "2026-13-01T08:00:00Z"}, "`not_before` is not a moment"),
        ({"not_before": "2026-12-01 8 o'clock"}, "`not_before` is not a moment"),
        ({"not_before": "0001-01-01T00:00:00Z"}, "further away than can be"),
        ({"not_before": "2026-03-29 02:30 Europe/Paris"}, "`not_before` does not exist"),
        ({"not_before": "2026-12-01 08:00 Europe/Pariss"}, "there is no time zone `Europe/Pariss`"),
        ({"window": "22:00-06:00"}, "it has no time zone"),
        ({"window": "22-6 Europe/Paris"}, "`window` cannot be understood: '22-6 Europe/Paris'"),
        ({"window": "22:00-25:00 Europe/Paris"}, "times go from 00:00 to 24:00"),
        ({"window": "24:00-06:00 Europe/Paris"}, "times go from 00:00 to 24:00"),
        ({"window": "10:60-11:00 Europe/Paris"}, "times go from 00:00 to 24:00"),
        ({"window": "08:00-08:00 Europe/Paris"}, "the window `08:00-08:00 Europe/Paris` is empty"),
        ({"window": "Mon-Tue-Wed 08:00-09:00 UTC"}, "`window` cannot be understood"),
        ({"window": "Mon-Frx 08:00-09:00 UTC"}, "`Frx` is no day of the week: did you mean `Fri`?"),
        ({"window": 8}, "`window` must be a text, not 8"),
        ({"window": "08:00-09:00 ../etc/passwd"}, "there is no time zone"),
        ({"on_miss": "panic"}, "`on_miss` must be alert or cancel, not 'panic'"),
        ({"depends_on_past": 1}, "`depends_on_past` must be True or False"),
        ({"not_before": "3h", "deadline": "2h"}, '`deadline` is not after `not_before`: "2h" and "3h"'),
        ({"not_before": "3h", "expires": "3h"}, "`expires` is not after `not_before`"),
        ({"not_before": "2026-12-02T00:00Z", "deadline": "2026-12-01T00:00Z"}, "`deadline` is not after"),
        (
            {"not_before": "2026-06-10T07:00Z", "deadline": "2026-06-10T12:00Z", "window": NIGHT},
            "`window` is never open between `not_before` and `deadline`",
        ),
    ],
)  # fmt: skip
def test_times_that_cannot_be_are_one_clear_message(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        with_options(PLAIN, options)

    assert message in str(caught.value)
    assert caught.value.help
    assert caught.value.code in ("P220", "P246")


@pytest.mark.parametrize(
    ("zone", "guess"),
    [("Europe/Pariss", "Europe/Paris"), ("Paris", "Europe/Paris"), ("europe/berlin", "Europe/Berlin"), ("utc", "UTC")],
)
def test_a_zone_that_is_nearly_right_is_suggested_or_taken(zone: str, guess: str) -> None:
    try:
        checked(Timing(window=f"08:00-09:00 {zone}"))
    except DefinitionError as error:
        assert f"did you mean `{guess}`?" in error.help  # noqa: PT017  # where file names ignore case it is taken


@pytest.mark.parametrize(
    "options",
    [
        {"window": "Monday-Friday 9:00-17:00 Europe/Paris"},
        {"window": "fri,sat,sun 00:00\u201324:00 UTC"},
        {"not_before": "2026-12-02T00:00Z", "deadline": "2h"},  # which comes first is known when the run begins
        {"deadline": "1h", "on_miss": "cancel", "depends_on_past": True},
    ],
)
def test_times_that_can_be_are_kept_in_json(options: dict[str, Any]) -> None:
    times = with_options(PLAIN, options).timing

    assert Timing.from_json(times.to_json()) == times


def test_the_run_as_a_whole_has_a_deadline_too() -> None:
    assert run_policy({"deadline": "6h", "on_miss": "cancel"}).deadline == "6h"
    with pytest.raises(DefinitionError, match="10 parsecs"):
        run_policy({"deadline": "10 parsecs"})


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (Timing(deadline="2026-06-10T09:59:59Z"), "`deadline` of task `n` is in the past"),
        (Timing(expires="2026-06-10T10:00:00Z"), "`expires` of task `n` is in the past"),
        (Timing(deadline="2h", window=NIGHT), "`deadline` of task `n` comes before it may start"),
        (Timing(expires="2026-06-10T19:00Z", window=NIGHT), "`expires` of task `n` comes before it may start"),
        (Timing(not_before="3h", deadline="2026-06-10T11:00:00Z"), "`deadline` of task `n` comes before"),
    ],
)
def test_what_a_run_that_begins_now_cannot_keep_is_refused(times: Timing, message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        check_now(checked(times), BEGAN, "n")

    assert message in str(caught.value)
    assert caught.value.code == "P246"


@pytest.mark.parametrize(
    "times", [Timing(), Timing(deadline="11h", window=NIGHT), Timing(not_before="1h", expires="61m", deadline="2h")]
)
def test_what_a_run_that_begins_now_can_keep_is_accepted(times: Timing) -> None:
    check_now(checked(times), BEGAN, "n")


def test_moments_in_messages_say_their_zone() -> None:
    with pytest.raises(DefinitionError, match="it is 2026-06-10 10:00:00 UTC"):
        check_now(Timing(deadline=datetime(2020, 1, 1, tzinfo=UTC).isoformat()), BEGAN)
