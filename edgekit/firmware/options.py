"""The choices about a firmware project: clock, optimization, assertions and the serial line's rate."""

from dataclasses import dataclass, replace

from edgekit.cost import COMPILER_LEVEL
from edgekit.errors import InvalidValue
from edgekit.firmware import files
from edgekit.table import Table

# For each level of optimization, the end of its name in ESP-IDF's Kconfig.
_KCONFIG_LEVEL = {"debug": "DEBUG", "size": "SIZE", "performance": "PERF", "none": "NONE"}

# The menu of `pio run -e esp_eye -t menuconfig` that has each option (ESP-IDF 5.5).
_MENU = {
    "cpu_mhz": "Component config > ESP System Settings > CPU frequency",
    "optimize": "Compiler options > Optimization Level",
    "bootloader_optimize": "Bootloader config > Bootloader optimization Level",
    "assertions": "Compiler options > Assertion level",
    "baud": "Component config > ESP System Settings > Channel for console output",
}


@dataclass(frozen=True)
class Options:
    """The choices about the firmware; all of them are written to sdkconfig.defaults.

    Args:
        cpu_mhz: clock of the ESP32: 80, 160 or 240.
        optimize: the compiler's goal: "debug" (-Og), "size" (-Os), "performance" (-O2) or "none" (-O0).
        bootloader_optimize: the same for the bootloader.
        assertions: "enabled", "silent" (checked, without a message) or "disabled".
        baud: rate of the serial line at the start, bits per second.

    Raises:
        ValueError: an option does not exist; the message lists those that do.
    """

    cpu_mhz: int = 160
    optimize: str = "debug"
    bootloader_optimize: str = "size"
    assertions: str = "enabled"
    baud: int = 115200

    def __post_init__(self) -> None:
        levels = tuple(_KCONFIG_LEVEL)
        for name, allowed in {
            "cpu_mhz": (80, 160, 240),
            "optimize": levels,
            "bootloader_optimize": levels,
            "assertions": ("enabled", "silent", "disabled"),
        }.items():
            if getattr(self, name) not in allowed:
                choices = ", ".join(map(repr, allowed))
                raise InvalidValue(f"{name} must be one of {choices}, not {getattr(self, name)!r}")
        if not isinstance(self.baud, int) or not 1200 <= self.baud <= 4_000_000:
            raise InvalidValue(f"baud must be a number from 1200 to 4000000, not {self.baud!r}")

    def diff(self, other: "Options") -> Table:
        """List the lines of sdkconfig.defaults that change from these options to others.

        Args:
            other: the options to compare with.

        Returns:
            A table with a row for each option that differs: its lines before and after, and its place in menuconfig.

        Example:
            >>> Options().diff(Options(cpu_mhz=240, optimize="performance"))
        """
        rows = []
        for name, place in _MENU.items():
            chosen = {name: getattr(other, name)}
            old, new = (_settings(options) for options in (self, replace(self, **chosen)))
            if old != new:
                lines = ("; ".join(line for line in one if line not in two) for one, two in ((old, new), (new, old)))
                rows.append((name, *lines, place))
        return Table(("option", "before", "after", "in menuconfig"), rows, note="" if rows else "Nothing changes.")

    def template_values(self) -> dict[str, object]:
        """The names under which the templates find these options."""
        return {"options": self, "kconfig_level": _KCONFIG_LEVEL, "compiler_flag": COMPILER_LEVEL[self.optimize]}


def changes(before: Options, after: Options) -> Table:
    """Return ``before.diff(after)``; the former name of `Options.diff`.

    Args:
        before: the options to start from.
        after: the options to compare with.
    """
    return before.diff(after)


def _settings(options: Options) -> list[str]:
    """The lines of sdkconfig.defaults that set something."""
    text = files.from_template("sdkconfig.defaults", options.template_values()).decode()
    return [line for line in text.splitlines() if line.startswith("CONFIG_")]
