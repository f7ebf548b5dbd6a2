"""Writes pictures for the simulated board's camera, which shows the pictures in the project's folder camera/."""

from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.errors import InvalidValue
from edgekit.firmware.project import Project

if TYPE_CHECKING:
    import numpy as np


def put_before_camera(project: Project, images: "np.ndarray") -> Path:
    """Let the simulated board's camera show these images, one after the other, again and again.

    Args:
        project: a project of the car application.
        images: uint8 (N, 96, 96, 3), at most 999; they replace the images of the last call.

    Returns:
        The folder with their .ppm files; you can add other pictures of the network's size by hand.

    Raises:
        ValueError: the array does not hold images.
    """
    import numpy as np

    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or not 0 < len(images) < 1000:
        raise InvalidValue(
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
