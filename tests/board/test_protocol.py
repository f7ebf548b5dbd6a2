"""The protocol's two files, in Python and in C++, have the same numbers and the same bytes for each payload."""

import re
import subprocess

import numpy as np
import pytest
from conftest import ROOT, require

from edgekit.board import board as talking
from edgekit.board import protocol
from edgekit.board.protocol import Frame, Info, Photo, Reader

HEADER = ROOT / "firmware_templates" / "common" / "src" / "board" / "Protocol.h"
FROM_THE_COMPUTER = ("HELLO", "IMAGE", "QUERY", "SET_BAUD", "SHOW")
FROM_THE_BOARD = ("READY", "RESULT", "ERROR", "MISSING", "PHOTO")

# Each payload's bytes, as they were when the protocol got its version 1. Boards in use send and expect exactly these:
# whoever changes one changes `protocol.VERSION` too.
GOLDEN = {
    "READY": "01756203600000006100000003000000020000000000003cffffffff0000803b80ffffff00d80000636172",
    "RESULT": "0403020160cc0500066e6f206361720000803e0000c0bf",
    "ERROR": "ffffffff6e6f2063616d657261",
    "MISSING": "07000000" + "".join((240 * i).to_bytes(4, "little").hex() for i in range(63)),
    "SET_BAUD": "00100e00",
    "PHOTO": "08000000f3000000efbeadde00000000" + bytes(range(240)).hex(),
    "last PHOTO": "08000000f3000000efbeaddef0000000000102",
    "HELLO": "",
    "IMAGE": "04030201f3000000f0000000f0f1f2",
    "QUERY": "04030201",
    "SHOW": "08000000",
    "SHOW again": "08000000f0000000e0010000",
}


def test_the_header_has_pythons_constants():
    text = HEADER.read_text()
    constants = {name: int(value) for name, value in re.findall(r"^constexpr \w+ (\w+) = (\d+);", text, re.M)}
    board_only = {"max_label", "max_error", "photo_microseconds"}
    assert constants.keys() - board_only == {
        "version",
        "max_payload",
        "piece",
        "max_offsets",
        "new_baud_microseconds",
    }
    assert constants["version"] == protocol.VERSION
    assert constants["max_payload"] == protocol.MAX_PAYLOAD
    assert constants["piece"] == protocol.PIECE
    assert constants["max_offsets"] == protocol.MAX_OFFSETS
    assert constants["new_baud_microseconds"] == protocol.NEW_BAUD_SECONDS * 1e6
    overhead = re.search(r"constexpr int overhead = (\d) \+ (\d);", HEADER.with_name("Frame.h").read_text())
    assert int(overhead[1]) + int(overhead[2]) == protocol.OVERHEAD
    assert talking._NEW_BAUD_SECONDS < protocol.NEW_BAUD_SECONDS


def test_the_header_and_the_document_have_pythons_types():
    types = {name: getattr(protocol, name) for name in FROM_THE_COMPUTER + FROM_THE_BOARD}
    in_header = re.findall(r"^    ([A-Z_]+) = (0x[0-9a-f]+),", HEADER.read_text(), re.M)
    in_document = re.findall(r"^\| ([A-Z_]+) \| (0x[0-9a-f]+) \|", (ROOT / "docs/firmware.md").read_text(), re.M)
    for pairs in (in_header, in_document):
        assert {name: int(value, 16) for name, value in pairs} == types
    assert len(set(types.values())) == len(types)
    assert min(types.values()) >= 0x80


def test_no_other_file_of_the_board_repeats_a_number_of_the_protocol():
    for path in sorted((ROOT / "firmware_templates").rglob("*")):
        if path.suffix in (".h", ".cpp") and path != HEADER:
            code = re.sub(r"//.*", "", path.read_text())
            assert not re.search(r"\b(240|256|2000000|0x[89][1-5])\b", code), path


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    program = tmp_path_factory.mktemp("payloads") / "payloads"
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", f"-I{HEADER.parent}"]
    sources = [ROOT / "tests" / "cpp" / "payloads.cpp", HEADER.with_name("Frame.cpp")]
    subprocess.run([require("g++"), *flags, *sources, "-o", program], check=True)
    return program


def test_each_payload_of_the_board_has_its_bytes_and_is_read(program):
    out = subprocess.run([program], capture_output=True, check=True).stdout
    frames = Reader().take(out)
    names = ["READY", "RESULT", "ERROR", "MISSING", "SET_BAUD", "PHOTO", "last PHOTO"]
    assert [frame.type for frame in frames] == [getattr(protocol, name.split()[-1]) for name in names]
    assert [frame.sequence for frame in frames] == list(range(7))
    assert {name: frame.payload.hex() for name, frame in zip(names, frames, strict=True)} == {
        name: GOLDEN[name] for name in names
    }
    payloads = {name: frame.payload for name, frame in zip(names, frames, strict=True)}
    assert protocol.parse_ready(payloads["READY"]) == Info(
        model="car",
        input_shape=(96, 97, 3),
        input_dtype=np.dtype("u1"),
        dtype="int8",
        input_scale=0.0078125,
        input_zero_point=-1,
        output_size=2,
        output_scale=0.00390625,
        output_zero_point=-128,
        arena_bytes=55296,
    )
    result = protocol.parse_result(payloads["RESULT"])
    assert (result.scores.tolist(), result.microseconds, result.label) == ([0.25, -1.5], 380000, "no car")
    assert protocol.parse_error(payloads["ERROR"]) == "no camera"
    assert protocol.parse_missing(payloads["MISSING"]) == [240 * i for i in range(protocol.MAX_OFFSETS)]
    assert [frame.transfer for frame in frames] == [None, 0x01020304, 0xFFFFFFFF, 7, None, 8, 8]
    photo = Photo((9, 9, 3))
    assert photo.take(payloads["PHOTO"])
    assert photo.missing() == [240]
    assert photo.take(payloads["last PHOTO"])
    assert photo.missing() == []


def test_each_payload_of_the_computer_has_its_bytes_and_is_read_by_the_board(program):
    data = bytes(range(243))
    frames = {
        "HELLO": Frame(protocol.HELLO),
        "IMAGE": protocol.image_piece(0x01020304, data, 240),
        "QUERY": protocol.query(0x01020304),
        "SET_BAUD": protocol.set_baud(921600),
        "SHOW": protocol.show(8),
        "SHOW again": protocol.show(8, [240, 480]),
    }
    assert {name: frame.payload.hex() for name, frame in frames.items()} == {name: GOLDEN[name] for name in frames}
    line = b"".join(frame.encode() for frame in frames.values())
    said = subprocess.run([program, "read"], input=line, capture_output=True, check=True).stdout.decode()
    assert said.splitlines() == [
        "HELLO 0",
        "IMAGE 16909060 243 240 f0f1f2",
        "QUERY 16909060",
        "SET_BAUD 921600",
        "SHOW 8",
        "SHOW 8 240 480",
    ]


def test_a_board_of_another_version_is_told_to_be_flashed_again():
    payload = bytearray.fromhex(GOLDEN["READY"])
    payload[0] += 1
    with pytest.raises(protocol.BoardError, match="flash it again"):
        protocol.parse_ready(bytes(payload))
