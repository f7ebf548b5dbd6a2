"""Boards are found by their USB bridge; if a port cannot be used, the message says why and what to do."""

import errno

import pytest
import serial
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from edgekit import board as boards
from edgekit.board import ports
from edgekit.notebook.session import locate


def port(device, vid, pid):
    info = ListPortInfo(device)
    info.vid, info.pid = vid, pid
    return info


@pytest.fixture
def plugged(monkeypatch):
    """What is plugged in: the one thing here that only hardware could show."""
    ports = []
    monkeypatch.setattr(list_ports, "comports", lambda: list(ports))
    return ports


def test_the_esp_eyes_bridge_is_found_before_others_and_modems_are_left_alone(plugged):
    plugged += [
        port("/dev/ttyUSB1", 0x1A86, 0x7523),
        port("/dev/ttyS0", None, None),
        port("/dev/ttyACM0", 0x1234, 0x5678),
        port("/dev/ttyUSB0", 0x10C4, 0xEA60),
    ]
    assert [found.device for found in ports.candidates()] == ["/dev/ttyUSB0", "/dev/ttyUSB1"]
    assert locate() == "/dev/ttyUSB0"
    assert locate("/dev/ttyUSB1") == "/dev/ttyUSB1"
    assert locate("sim") is None


def test_without_a_board_the_simulated_one_is_named(plugged):
    assert locate() is None
    with pytest.raises(boards.BoardError, match=r"simulate\(project\)"):
        boards.connect()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (serial.SerialException(errno.EACCES, "could not open port: [Errno 13] Permission denied"), "usermod|udev"),
        (serial.SerialException(errno.EBUSY, "could not open port: [Errno 16] Device or resource busy"), "in use"),
        (serial.SerialException("Could not exclusively lock port /dev/x: [Errno 11]"), "in use"),
        (serial.SerialException(errno.ENOENT, "could not open port: [Errno 2] No such file"), "plugged in"),
        (serial.SerialException("could not open port 'COM9': FileNotFoundError(2, ...)"), "plugged in"),
        (OSError(errno.ENOTTY, "Inappropriate ioctl"), "cannot be opened as a serial port"),
    ],
)
def test_each_reason_comes_with_its_remedy(plugged, error, says):
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(ports.explain("/dev/ttyUSB0", error))


def test_a_file_that_is_no_port_is_explained(plugged, tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("mine")
    with pytest.raises(boards.BoardError, match="serial port"):
        boards.connect(file)
    assert file.read_text() == "mine"
