"""The networks of the lessons, as Keras models, and the one rule that turns images into their inputs.

An image is uint8 RGB, 0 to 255. A network takes ``preprocess(image)``: float32, (x - 128) / 128, so from -1 to 1. The
board does the same with integers. Calibration images from black to white give the input's scale 1 / 128 and zero point
0, and then int8 is exactly ``x - 128``.
"""

from edgekit.models.architectures import mobilenet_v1, xor_mlp
from edgekit.models.preprocessing import preprocess
from edgekit.models.pretrained import load_pretrained

__all__ = ["load_pretrained", "mobilenet_v1", "preprocess", "xor_mlp"]
