"""Reads the time of a submission from timestamp.txt, and refuses what could be another time."""

import re
import zoneinfo
from datetime import UTC, datetime, timedelta, timezone, tzinfo

_TIME = re.compile(
    r"(?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)\s*(?P<zone>\S.*)?"
)
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])([0-9]{2}):?([0-9]{2})")
_FORMS = "2026-11-23 15:04:00 UTC, 2026-11-23 15:04:00 +01:00 or 2026-11-23 15:04:00 Europe/Berlin"


def in_utc(text: str) -> datetime:
    """A time as nbgrader takes it: in UTC, without a zone.

    Args:
        text: As nbgrader itself writes it (``2026-11-23 15:04:00.000000 UTC``), or with an offset or a place instead of
            UTC. A time without a zone is in UTC, as with nbgrader.

    Raises:
        ValueError: It is no time, or could be several: abbreviations of zones are not unique, and 11.12. is in November
            or in December.
    """
    match = _TIME.fullmatch(text)
    if not match:
        raise ValueError(f"not a time that can be read in only one way; write it like {_FORMS}")
    try:
        local = datetime.fromisoformat(match["time"]).replace(tzinfo=_zone(match["zone"] or "UTC"))
        return local.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{error}; write the time like {_FORMS}") from error


def _zone(name: str) -> tzinfo:
    if name in ("UTC", "GMT", "Z"):
        return UTC
    offset = _OFFSET.fullmatch(name)
    if offset:
        minutes = int(offset[2]) * 60 + int(offset[3])
        return timezone(timedelta(minutes=-minutes if offset[1] == "-" else minutes))
    if "/" in name:
        try:
            return zoneinfo.ZoneInfo(name)
        except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
            pass
    raise ValueError("its time zone is not known, or there are several of this name")
