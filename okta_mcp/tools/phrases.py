"""What people say for a time, as moments in UTC: "last 7 days", "since monday", ISO 8601.

Pure functions of a text and the present moment; the time tools and the log tool call them. Where a
phrase can mean the past or the future it means the past, weeks begin on Monday, and a period that
is not over ends now. What is not understood is an error with examples, never a guess.
"""

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_EXAMPLES = (
    "last 7 days, past hour, since monday, yesterday, 24 hours ago, beginning of last month,"
    " this week, 2026-11-20, 2026-11-20T08:30:00Z"
)
_MAX_CHARS = 100
_TICK = timedelta(milliseconds=1)


class PhraseError(ValueError):
    """The text is no time that this module knows; `fix` gives examples."""

    fix = f"write it like one of these: {_EXAMPLES}"


@dataclass(frozen=True, slots=True)
class Period:
    """A moment (`end` is None) or a window, both ends included; `meaning` says how it was read."""

    start: datetime
    end: datetime | None
    meaning: str


Reading = Callable[[re.Match[str], datetime], Period]


def okta_time(moment: datetime) -> str:
    """A moment as Okta writes it: UTC with three decimals, `2026-11-20T08:30:00.000Z`."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def period_of(text: str, now: datetime) -> Period:
    """The moment or window that `text` names, seen from `now` (UTC). Raises `PhraseError`."""
    phrase = " ".join(text[: _MAX_CHARS + 1].lower().split())
    if len(text) <= _MAX_CHARS:
        for pattern, reading in _READINGS:
            match = pattern.fullmatch(phrase)
            if match:
                try:
                    return reading(match, now)
                except PhraseError:
                    raise
                except (ValueError, OverflowError) as reason:
                    raise PhraseError("there is no such time") from reason
    raise PhraseError("this is not a time that is understood here")


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _moved(moment: datetime, count: int, unit: str) -> datetime:
    """`moment` moved by `count` units; months keep the day as far as the month has it."""
    months = {"month": 1, "quarter": 3, "year": 12}.get(unit)
    if months is None:
        return moment + timedelta(**{f"{unit}s": count})
    index = moment.year * 12 + moment.month - 1 + count * months
    year, month = index // 12, index % 12 + 1
    day = min(moment.day, calendar.monthrange(year, month)[1])
    return moment.replace(year=year, month=month, day=day)


def _beginning(moment: datetime, unit: str) -> datetime:
    """The first moment of the day, week, month, quarter or year that holds `moment`."""
    day = _midnight(moment)
    match unit:
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "quarter":
            return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        case "year":
            return day.replace(month=1, day=1)
        case _:
            return day


def _whole(start: datetime, unit: str, now: datetime, meaning: str) -> Period:
    end = _moved(start, 1, unit) - _TICK
    if start <= now < end:
        return Period(start, now, f"{meaning}, up to now")
    return Period(start, end, meaning)


_WEEKDAYS = [name.lower() for name in calendar.day_name]
_NUMBER_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)
_UNIT_WORDS = {
    "s": "second",
    "sec": "second",
    "min": "minute",
    "h": "hour",
    "hr": "hour",
    "d": "day",
    "w": "week",
    "yr": "year",
    "y": "year",
}
_COUNT = rf"(?P<count>\d{{1,6}}|an?|{'|'.join(_NUMBER_WORDS[1:])})"
_UNIT = (
    r"(?P<unit>seconds?|secs?|s|minutes?|mins?|hours?|hrs?|h|days?|d|weeks?|w|months?|quarters?"
    r"|years?|yrs?|y)"
)


def _count(match: re.Match[str]) -> int:
    text = match["count"]
    if text.isdecimal():
        return int(text)
    return 1 if text in {"a", "an"} else _NUMBER_WORDS.index(text)


def _unit(match: re.Match[str]) -> str:
    text = match["unit"]
    singular = text if len(text) == 1 else text.removesuffix("s")
    return _UNIT_WORDS.get(singular, singular)


def _amount(count: int, unit: str) -> str:
    return f"{count} {unit}{'' if count == 1 else 's'}"


def _now(_: re.Match[str], now: datetime) -> Period:
    return Period(now, None, "the present moment")


def _today(_: re.Match[str], now: datetime) -> Period:
    return _whole(_midnight(now), "day", now, "today")


def _yesterday(_: re.Match[str], now: datetime) -> Period:
    return _whole(_midnight(now) - timedelta(days=1), "day", now, "the whole of yesterday")


def _ago(match: re.Match[str], now: datetime) -> Period:
    count, unit = _count(match), _unit(match)
    return Period(_moved(now, -count, unit), None, f"{_amount(count, unit)} before now")


def _rolling(match: re.Match[str], now: datetime) -> Period:
    count, unit = _count(match), _unit(match)
    return Period(_moved(now, -count, unit), now, f"the {_amount(count, unit)} up to now")


def _rolling_one(match: re.Match[str], now: datetime) -> Period:
    unit = _unit(match)
    return Period(_moved(now, -1, unit), now, f"the {unit} up to now")


def _calendar_period(match: re.Match[str], now: datetime) -> Period:
    unit, which = match["unit"], match["which"]
    start = _beginning(now, unit)
    if which in {"last", "previous"}:
        start = _moved(start, -1, unit)
        return _whole(start, unit, now, f"the calendar {unit} before this one")
    return _whole(start, unit, now, f"this calendar {unit}")


def _weekday(match: re.Match[str], now: datetime) -> Period:
    days_back = (now.weekday() - _WEEKDAYS.index(match["day"])) % 7
    if match["last"] and days_back == 0:
        days_back = 7
    start = _midnight(now) - timedelta(days=days_back)
    return _whole(start, "day", now, f"{match['day'].title()}, {start:%Y-%m-%d}")


def _edge(match: re.Match[str], now: datetime) -> Period:
    name = match["period"]
    period = period_of(f"this {name}" if name in _PERIOD_UNITS else name, now)
    if period.end is None:
        raise PhraseError("a moment has no beginning and no end")
    if match["edge"] == "end":
        return Period(period.end, None, f"the end of: {period.meaning}")
    return Period(period.start, None, f"the beginning of: {period.meaning}")


def _since(match: re.Match[str], now: datetime) -> Period:
    start = period_of(match["moment"], now).start
    if start > now:
        raise PhraseError("since needs a time in the past")
    return Period(start, now, f"from {okta_time(start)} up to now")


def _date(match: re.Match[str], now: datetime) -> Period:
    start = datetime.fromisoformat(match[0]).replace(tzinfo=UTC)
    return _whole(start, "day", now, f"the whole day {match[0]}")


def _month(match: re.Match[str], now: datetime) -> Period:
    start = datetime(int(match["year"]), int(match["month"]), 1, tzinfo=UTC)
    return _whole(start, "month", now, f"the whole month {match[0]}")


def _iso(match: re.Match[str], _: datetime) -> Period:
    moment = datetime.fromisoformat(match[0].upper())
    if moment.tzinfo is None:
        return Period(moment.replace(tzinfo=UTC), None, "the given time, read as UTC")
    return Period(moment.astimezone(UTC), None, "the given time")


_PERIOD_UNITS = ("day", "week", "month", "quarter", "year")
_IN = r"(?:(?:in|for|over|during|within) )?(?:the )?"
_READINGS: tuple[tuple[re.Pattern[str], Reading], ...] = tuple(
    (re.compile(pattern, re.ASCII), reading)
    for pattern, reading in (
        (r"now", _now),
        (r"today|this day|so far today", _today),
        (r"yesterday", _yesterday),
        (rf"{_COUNT} ?{_UNIT} (?:ago|before now|back)", _ago),
        (rf"{_IN}(?:last|past|previous) {_COUNT} ?{_UNIT}", _rolling),
        (r"(?P<count>\d{1,6}) ?(?P<unit>hours?|h|days?|d|weeks?|w|min|minutes?)", _rolling),
        (rf"{_IN}(?:past|last) (?P<unit>second|minute|hour|day)", _rolling_one),
        (rf"{_IN}past (?P<unit>week|month|quarter|year)", _rolling_one),
        (
            rf"{_IN}(?P<which>this|current|last|previous) (?P<unit>week|month|quarter|year)",
            _calendar_period,
        ),
        (rf"(?:on )?(?P<last>last )?(?P<day>{'|'.join(_WEEKDAYS)})", _weekday),
        (r"(?:the )?(?P<edge>beginning|start|end) of (?:the )?(?P<period>.+)", _edge),
        (r"(?:since|from|starting) (?P<moment>.+?)(?: (?:until|to|till) now)?", _since),
        (r"\d{4}-\d{2}-\d{2}", _date),
        (r"(?P<year>\d{4})-(?P<month>\d{2})", _month),
        (
            r"\d{4}-\d{2}-\d{2}[t ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:z|[+-]\d{2}:?\d{2})?",
            _iso,
        ),
    )
)
