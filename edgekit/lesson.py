"""What the lessons' notebooks need and no other program does: a place to fill in that says so when it is run."""

import re
import sys
import time

from edgekit.errors import EdgekitError


class StillToDo(EdgekitError, NotImplementedError):
    """A place that the reader has not filled in yet; a notebook shows one line for it, and no traceback."""

    def _render_traceback_(self):
        return str(self).splitlines()


def TODO(what):
    """Stands where an expression is to be written.

    Args:
        what: what the expression should be, in words.

    Raises:
        StillToDo: always.
    """
    function = sys._getframe(1).f_code.co_name
    where = "" if function.startswith("<") else f" in {function}()"
    raise StillToDo(f"Still to do{where}: {what}")


def put_before_camera(project, images):
    """Let the simulated board's camera see these images, one after the other, over and over.

    Args:
        project: an `edgekit.firmware.Project` of the car application.
        images: uint8 (N, 96, 96, 3), at most 999; they replace those of the last call.

    Returns:
        The folder they lie in, as .ppm pictures: any others of the network's size can be added by hand.

    Raises:
        ValueError: they are no images.
    """
    import numpy as np

    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or not 0 < len(images) < 1000:
        raise ValueError(
            f"expected 1 to 999 uint8 images (N, height, width, 3), got {images.dtype} of shape {images.shape}"
        )
    folder = project.directory / "camera"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("scene-[0-9][0-9][0-9].ppm"):
        old.unlink()
    height, width = images.shape[1:3]
    for i, image in enumerate(images):
        (folder / f"scene-{i:03}.ppm").write_bytes(f"P6 {width} {height} 255\n".encode() + image.tobytes())
    return folder


_VERDICT = re.compile(r"^(.*): (-?[0-9.]+|-?nan|-?inf) in ([0-9]+) us\s*$", re.MULTILINE)


def watch(device, count, seconds=10.0):
    """What a board says about the images of its camera.

    Args:
        device: an `edgekit.board.Board` that runs the car application with its camera.
        count: verdicts to wait for.
        seconds: to wait at most.

    Returns:
        list of (label, score, microseconds), the first ones that it says from now on.

    Raises:
        BoardError: it says too little in that time.
    """
    from edgekit.board import BoardError

    text, deadline = [], time.monotonic() + seconds
    while len(found := _VERDICT.findall("".join(text))) < count:
        if time.monotonic() > deadline:
            raise BoardError(
                f"{device.name} said {len(found)} verdicts in {seconds:g} seconds, not {count}: does main.cpp take its "
                "images from the camera, and does its loop reach serial.write_result(...)?"
            )
        device.monitor(text.append, seconds=0.2)
    return [(label, float(score), int(microseconds)) for label, score, microseconds in found[:count]]


class ProgramError(EdgekitError, AssertionError):
    """What a program does wrong, and where to look; a notebook shows the sentence alone."""

    def _render_traceback_(self):
        return str(self).splitlines()


def try_program(project, quantized, images, camera=True):
    """Build a car program for the simulated board, and see that it says of each image what the network says in Python.

    Args:
        project: an `edgekit.firmware.Project` of the car application.
        quantized: the `QuantizedNetwork` that is in it.
        images: uint8 (N, 96, 96, 3), of which two look different to the network.
        camera: whether the program takes its images from the camera, or from the computer.

    Returns:
        float array (N,): its scores.

    Raises:
        ProgramError: the program does something else; the sentence says what it may be, with the numbers of its steps.
        edgekit.firmware.BuildError: it does not compile.
    """
    import numpy as np

    from edgekit import board

    project.build("sim", on_line=None)
    if camera:
        put_before_camera(project, images)
    try:
        with board.simulate(project) as simulated:
            if camera:
                scores = [score for _, score, _ in watch(simulated, len(images))]
            else:
                scores = [simulated.classify(image).scores[0] for image in images]
    except board.BoardError as error:
        hint = ": is it the line with SerialImageProvider that you changed?" if "camera" in str(error) else ""
        raise ProgramError(f"{error}{hint}") from None
    problem = _what_is_wrong(np.array(scores, float), quantized, images)
    if problem:
        raise ProgramError(problem)
    return np.array(scores, float)


def _what_is_wrong(scores, quantized, images):
    """A sentence on what a program does that gives these scores; None if it is right."""
    import numpy as np

    def are_of(real):
        return np.allclose(scores, quantized.predict(np.asarray(real, np.float32)).ravel(), atol=1e-3)

    pixels = images.astype(np.float32)
    right = (pixels - 128) / 128
    if are_of(right):
        return None
    if not scores.any():
        return "it says 0 to every image: is the model run (3), and its output read into `score` (4)?"
    if are_of(np.trunc(right)):
        return "the inputs are all 0 or -1: C++ divides whole numbers into whole numbers; write 128.0f (2)"
    if any(are_of(pixels / by) for by in (127.5, 128, 255)):
        return "the inputs are from 0 up: subtract 128 first (2)"
    if are_of(pixels) or are_of(pixels - 128):
        return "the inputs are not divided by 128 (2)"
    if np.ptp(scores) < 1e-6:
        return f"it says {scores[0]:.4f} to every image: are the pixels put into the model (2), and is it run (3)?"
    if np.allclose(scores[1:], quantized.predict(right).ravel()[:-1], atol=1e-3):
        return "each answer is that of the image before: is the model run (3) after the pixels are put in (2)?"
    return (
        "it does not say what your network says: are all Model::input_size values put in (2), each as "
        "(pixel - 128) / 128.0f, before the model is run (3)?"
    )
