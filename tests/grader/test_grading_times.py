"""The time of a submission is read in only one way, or not at all."""

from datetime import datetime

import pytest

from grader.grading.times import in_utc


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2015-02-02 15:58:23.948203 UTC", datetime(2015, 2, 2, 15, 58, 23, 948203)),  # as nbgrader writes it
        ("2015-02-02 15:58:23.948203 America/Los_Angeles", datetime(2015, 2, 2, 23, 58, 23, 948203)),
        ("2026-07-23 15:04:00 Europe/Berlin", datetime(2026, 7, 23, 13, 4)),
        ("2026-11-23 15:04:00 +0100", datetime(2026, 11, 23, 14, 4)),
        ("2026-11-23 15:04 +01:00", datetime(2026, 11, 23, 14, 4)),
        ("2026-11-23T15:04:00Z", datetime(2026, 11, 23, 15, 4)),
        ("2026-11-23 15:04:00 UTC-0330", datetime(2026, 11, 23, 18, 34)),
        ("2026-11-23 15:04:00", datetime(2026, 11, 23, 15, 4)),
    ],
)
def test_times_are_read_with_their_zone(text, expected):
    assert in_utc(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23 15:04:00 CEST",
        "2026-11-23 15:04:00 CST",
        "2026-11-23 15:04:00 EST",
        "11.12.2026",
        "11.12.2026 15:04",
        "11/12/2026 15:04:00 UTC",
        "2026-13-01 10:00:00",
        "2026-11-23 25:00:00",
        "2026-11-23 15:04:00 Europe/Nowhere",
        "2026-11-23 15:04:00 ../../etc/passwd",
        "2026-11-23 15:04:00 +9999",
        "0001-01-01 00:00:00 +23:00",
        "yesterday",
        "+0100",
        "15:04",
    ],
)
def test_what_could_be_another_time_is_refused(text):
    with pytest.raises(ValueError, match="2026-11-23 15:04:00"):
        in_utc(text)
