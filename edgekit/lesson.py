"""What the lessons' notebooks need and no other program does: a place to fill in that says so when it is run."""

import re
import sys
import time


class StillToDo(NotImplementedError):
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
