"""Finds the serial port of a board, and explains why a port cannot be used and what to do."""

import errno
import getpass
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serial.tools.list_ports_common import ListPortInfo

# USB vendor and product ids of the bridges on ESP32 boards. The ESP-EYE has a CP2102N.
BRIDGES = {
    (0x10C4, 0xEA60): "CP2102N (ESP-EYE and many others)",
    (0x10C4, 0xEA70): "CP2105",
    (0x1A86, 0x7523): "CH340",
    (0x1A86, 0x5523): "CH341",
    (0x1A86, 0x55D3): "CH343",
    (0x1A86, 0x55D4): "CH9102",
    (0x0403, 0x6001): "FT232R",
    (0x0403, 0x6010): "FT2232H",
    (0x0403, 0x6014): "FT232H",
    (0x0403, 0x6015): "FT231X",
    (0x067B, 0x2303): "PL2303",
    (0x303A, 0x1001): "Espressif USB JTAG/serial",
}


def candidates() -> "list[ListPortInfo]":
    """List the ports that have a board's USB bridge, the ESP-EYE's kind first, as pyserial's ListPortInfo objects."""
    from serial.tools import list_ports

    order = list(BRIDGES)
    found = [port for port in list_ports.comports() if (port.vid, port.pid) in BRIDGES]
    # On macOS each port has two names; opening the tty one waits for a modem.
    found = [port for port in found if not port.device.startswith("/dev/tty.")]
    return sorted(found, key=lambda port: (order.index((port.vid, port.pid)), port.device))


def first() -> str | None:
    """Return the path of the port that most likely has a board; None if no board is plugged in."""
    return next((port.device for port in candidates()), None)


def describe(port: "ListPortInfo") -> str:
    """Return a port's path and its bridge, for messages.

    Args:
        port: one of `candidates()`.
    """
    return f"{port.device} ({BRIDGES[port.vid, port.pid]})"


def explain(port: str, error: Exception) -> str:
    """Say in one sentence why a port cannot be opened and what to do.

    Args:
        port: the port's path.
        error: the exception that pyserial or the system raised.
    """
    number = getattr(error, "errno", None)
    text = str(error)
    if number == errno.EACCES or "PermissionError" in text or "Permission denied" in text:
        if sys.platform == "win32":
            return f"{port} is in use by another program: close its serial monitor and try again"
        return f"{_user()} has no permission to use {port}: {permission_remedy(port)}"
    if number == errno.EBUSY or "exclusively lock" in text or "Resource busy" in text:
        return f"{port} is in use by another program: close its serial monitor (or the other notebook) and try again"
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO) or "FileNotFoundError" in text:
        return f"there is no port {port}: is the board plugged in? {found()}"
    return f"{port} cannot be opened as a serial port ({error}): {found()}"


def found() -> str:
    """Return a sentence that lists the boards' ports."""
    boards = candidates()
    if not boards:
        return "No board's USB bridge was found; a cable that only charges has no data wires."
    return f"Boards were found at {', '.join(describe(port) for port in boards)}."


def permission_remedy(port: str) -> str:
    """Say how a user gets the permission to use a port on this system.

    Args:
        port: the port's path.
    """
    try:
        import grp

        group = grp.getgrgid(os.stat(port).st_gid).gr_name
    except (ImportError, KeyError, OSError):
        group = "dialout"
    if group in ("root", "wheel"):
        rules = "docs.platformio.org, 99-platformio-udev.rules"
        return f"install PlatformIO's udev rules ({rules}) and plug the board in again"
    return f"run `sudo usermod -a -G {group} {_user()}`, then log out and in again"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "this user"
