"""Helpers for the lessons' notebooks: `TODO` marks a gap, and `try_program` says which step of a program is wrong."""

import re
import sys
import time
from typing import TYPE_CHECKING, NoReturn

from edgekit.board import Board, BoardError, simulate
from edgekit.errors import EdgekitError
from edgekit.firmware import Project, put_before_camera

if TYPE_CHECKING:
    import numpy as np

    from edgekit.quantization import QuantizedNetwork

__all__ = ["TODO", "ProgramError", "StillToDo", "put_before_camera", "try_program", "watch"]


class StillToDo(EdgekitError, NotImplementedError):
    """A place that the reader has not filled in yet; a notebook shows it as one line without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


def TODO(what: str) -> NoReturn:
    """Mark a place where the reader writes an expression.

    Args:
        what: the expression in words.

    Raises:
        StillToDo: always.
    """
    function = sys._getframe(1).f_code.co_name
    where = "" if function.startswith("<") else f" in {function}()"
    raise StillToDo(f"Still to do{where}: {what}")


_VERDICT = re.compile(r"^(.*): (-?[0-9.]+|-?nan|-?inf) in ([0-9]+) us\s*$", re.MULTILINE)


def watch(device: Board, count: int, seconds: float = 10.0) -> list[tuple[str, float, int]]:
    """Collect the verdicts that a board prints about the images of its camera.

    Args:
        device: a board that runs the car application with its camera.
        count: number of verdicts to wait for.
        seconds: longest time to wait.

    Returns:
        The next verdicts: (label, score, microseconds) each.

    Raises:
        BoardError: it prints too few in that time.
    """
    text: list[str] = []
    deadline = time.monotonic() + seconds
    while len(found := _VERDICT.findall("".join(text))) < count:
        if time.monotonic() > deadline:
            raise BoardError(
                f"{device.name} printed {len(found)} verdicts in {seconds:g} seconds, not {count}: does main.cpp take "
                "its images from the camera, and does its loop reach serial.write_result(...)?"
            )
        device.monitor(text.append, seconds=0.2)
    return [(label, float(score), int(microseconds)) for label, score, microseconds in found[:count]]


class ProgramError(EdgekitError, AssertionError):
    """A program computes wrong scores; the message says where to look, and a notebook shows it without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


def try_program(
    project: Project, quantized: "QuantizedNetwork", images: "np.ndarray", camera: bool = True
) -> "np.ndarray":
    """Build a car program for the simulated board, and compare its score for each image with the network's in Python.

    Args:
        project: a project of the car application.
        quantized: the network in it.
        images: uint8 (N, 96, 96, 3), at least two of them with different scores.
        camera: whether the program takes its images from the camera, or from the computer.

    Returns:
        float array (N,): the program's scores.

    Raises:
        ProgramError: the scores differ, or a label does not belong to its score. The message guesses the reason and
            names the step of the program.
        edgekit.firmware.BuildError: it does not compile.
    """
    import numpy as np

    project.build("sim", on_line=None)
    if camera:
        put_before_camera(project, images)
    try:
        with simulate(project) as simulated:
            if camera:
                said = [(label, score) for label, score, _ in watch(simulated, len(images))]
            else:
                said = [(each.label, each.scores[0]) for each in map(simulated.classify, images)]
    except BoardError as error:
        hint = ": is it the line with SerialImageProvider that you changed?" if "camera" in str(error) else ""
        raise ProgramError(f"{error}{hint}") from None
    scores = np.array([score for _, score in said], float)
    problem = _what_is_wrong(scores, quantized, images) or _wrong_label(said)
    if problem:
        raise ProgramError(problem)
    return scores


def _wrong_label(said: list[tuple[str, float]]) -> str | None:
    """A sentence on the first label that does not belong to its score; None if all do."""
    for label, score in said:
        right = "car" if score > 0.5 else "no car"
        if label != right:
            return (
                f'it says "{label}" for a score of {score:.2f}: write_result gets "{right}" for it, as the text has it'
            )
    return None


def _what_is_wrong(scores: "np.ndarray", quantized: "QuantizedNetwork", images: "np.ndarray") -> str | None:
    """A sentence on the mistake that gives these scores; None if they are right."""
    import numpy as np

    def of(real: np.ndarray) -> np.ndarray:
        return quantized.predict(np.asarray(real, np.float32)).ravel()

    def are_of(real: np.ndarray) -> bool:
        return np.allclose(scores, of(real), atol=1e-3)

    pixels = images.astype(np.float32)
    right = (pixels - 128) / 128
    expected = of(right)
    if np.allclose(scores, expected, atol=1e-3):
        return None
    if set(scores) == {0.0, 1.0}:
        return "its score is only 0 or 1: read the model's output into `score` as it is, without rounding (4)"
    if np.allclose(1 - scores, expected, atol=1e-3):
        return "its score is 1 minus the model's output: read the output into `score` as it is (4)"
    if not scores.any():
        return "its score is 0 for every image: is the model run (3), and its output read into `score` (4)?"
    if are_of(np.trunc(right)):
        return "the inputs are all 0 or -1: C++ divides whole numbers into whole numbers; write 128.0f (2)"
    if any(are_of(pixels / by) for by in (127.5, 128, 255)):
        return "the inputs start at 0, not at -1: subtract 128 first (2)"
    if are_of(pixels) or are_of(pixels - 128):
        return "the inputs are not divided by 128 (2)"
    if np.ptp(scores) < 1e-6:
        return (
            f"its score is {scores[0]:.4f} for every image: are the pixels put into the model (2), and is it run (3)?"
        )
    if np.allclose(scores[1:], expected[:-1], atol=1e-3):
        return "each score belongs to the image before: is the model run (3) after the pixels are put in (2)?"
    return (
        "its scores differ from your network's: are all Model::input_size values put in (2), each as "
        "(pixel - 128) / 128.0f, before the model is run (3)?"
    )
