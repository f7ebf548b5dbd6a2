"""With log text and with lost, doubled and flipped bytes on the line, a frame arrives complete or not at all."""

import subprocess

import pytest
from conftest import ROOT, require
from hypothesis import given
from hypothesis import strategies as st

from edgekit.board import protocol
from edgekit.board.protocol import Frame, Reader, cobs_decode, cobs_encode

frames = st.builds(Frame, st.integers(0x80, 0xBF), st.binary(max_size=protocol.MAX_PAYLOAD), st.integers(0, 0xFFFF))


@given(st.binary(max_size=1000))
def test_cobs_leaves_no_zero_and_can_be_undone(plain):
    assert b"\0" not in cobs_encode(plain)
    assert cobs_decode(cobs_encode(plain)) == plain


@pytest.mark.parametrize("length", [253, 254, 255, 508, 509])
def test_cobs_handles_runs_around_its_longest_block(length):
    plain = b"x" * length
    for data in (plain, plain + b"\0", b"\0" + plain):
        assert cobs_decode(cobs_encode(data)) == data


@given(st.lists(st.one_of(frames, st.text("abcäö 01\n\t"))))
def test_frames_and_text_on_one_line_are_told_apart(items):
    reader, sent, received = Reader(), [], []
    for item in items:
        received += reader.take(item.encode())
        if isinstance(item, Frame):
            sent.append(item)
    assert received == sent


@given(frames, st.data())
def test_a_damaged_frame_is_dropped_and_the_next_one_is_whole(frame, data):
    line = bytearray(frame.encode())
    at = data.draw(st.integers(0, len(line) - 1))
    damage = data.draw(st.sampled_from(["lost", "doubled", "flipped"]))
    if damage == "lost":
        del line[at]
    elif damage == "doubled":
        line.insert(at, line[at])
    else:
        line[at] ^= 1 << data.draw(st.integers(0, 7))
    after = Frame(protocol.HELLO, b"\0after", 7)
    received = Reader().take(bytes(line) + after.encode())
    assert received[-1] == after
    assert received[:-1] in ([], [frame])


def test_a_line_of_text_is_shown_before_the_next_frame_comes():
    reader = Reader()
    reader.take(Frame(protocol.READY).encode() + b"hello\nwor")
    assert reader.text() == "hello\n"


def test_the_boards_frames_and_the_computers_are_the_same(tmp_path):
    compiler = require("g++")
    folder = ROOT / "firmware_templates" / "common" / "src" / "board"
    program = tmp_path / "frames"
    flags = ["-std=c++17", "-Wall", "-Wextra", "-fsanitize=address,undefined", f"-I{folder}"]
    sources = [ROOT / "tests" / "cpp" / "echo_frames.cpp", folder / "Frame.cpp"]
    subprocess.run([compiler, *flags, *sources, "-o", program], check=True)
    payloads = [bytes(n % 256 for n in range(length)) for length in (0, 1, 4, 240, 246, 247, 248, 255, 256)]
    payloads += [b"\0" * 256, b"\xff" * 256, b"x" * 247 + b"\0"]
    sent = b"log\n" + b"".join(Frame(0x82, payload, i * 3000).encode() for i, payload in enumerate(payloads))
    run = subprocess.run([program], input=sent, capture_output=True, check=True)
    received = Reader().take(run.stdout)
    assert received == [Frame(0x82, payload, i * 3000) for i, payload in enumerate(payloads)]
