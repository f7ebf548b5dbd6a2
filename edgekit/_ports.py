"""Finds the serial port a board is on, and says why one cannot be used and what to do about it."""

import errno
import getpass
import os
import sys

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


def candidates():
    """The ports a board may be on, the ESP-EYE's own kind of bridge first, as pyserial's ListPortInfo objects."""
    from serial.tools import list_ports

    order = list(BRIDGES)
    found = [port for port in list_ports.comports() if (port.vid, port.pid) in BRIDGES]
    # On macOS each port has two names; opening the tty one waits for a modem.
    found = [port for port in found if not port.device.startswith("/dev/tty.")]
    return sorted(found, key=lambda port: (order.index((port.vid, port.pid)), port.device))


def describe(port):
    """A port as a person calls it."""
    return f"{port.device} ({BRIDGES[port.vid, port.pid]})"


def explain(port, error):
    """One sentence that says why a port cannot be opened and what to do.

    Args:
        port: the port's path.
        error: what pyserial or the system raised.
    """
    number = getattr(error, "errno", None)
    text = str(error)
    if number == errno.EACCES or "PermissionError" in text or "Permission denied" in text:
        if sys.platform == "win32":
            return f"{port} is in use by another program: close its serial monitor and try again"
        return f"{port} may not be used by {_user()}: {permission_remedy(port)}"
    if number == errno.EBUSY or "exclusively lock" in text or "Resource busy" in text:
        return f"{port} is in use by another program: close its serial monitor (or the other notebook) and try again"
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO) or "FileNotFoundError" in text:
        return f"there is no port {port}: is the board plugged in? {found()}"
    return f"{port} cannot be opened as a serial port ({error}): {found()}"


def found():
    """A sentence that lists the boards' ports."""
    ports = candidates()
    if not ports:
        return "No board's USB bridge was found; a cable that only charges has no data wires."
    return f"Boards were found at {', '.join(describe(port) for port in ports)}."


def permission_remedy(port):
    """How to be allowed to use a port on this system."""
    try:
        import grp

        group = grp.getgrgid(os.stat(port).st_gid).gr_name
    except (ImportError, KeyError, OSError):
        group = "dialout"
    if group in ("root", "wheel"):
        rules = "docs.platformio.org, 99-platformio-udev.rules"
        return f"install PlatformIO's udev rules ({rules}) and plug the board in again"
    return f"run `sudo usermod -a -G {group} {_user()}`, then log out and in again"


def _user():
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "this user"
