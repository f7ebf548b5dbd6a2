"""For test cells: runs a student's .tflite with LiteRT, in the sandbox, since its parser is native code.

from grader.for_tests import litert
outputs = litert.run(tflite_bytes, inputs)
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from grader.for_tests import answers, cpp
from grader.sandbox import bubblewrap, places
from grader.sandbox.inside import edgekit_wire as wire

_PROGRAM = """
import sys
sys.path.append("/run/grading")
sys.path.extend(sys.argv[2:])
import numpy as np
import edgekit_wire as wire
from ai_edge_litert.interpreter import Interpreter
folder = sys.argv[1]
interpreter = Interpreter(model_path=f"{folder}/model.tflite", num_threads=1)
interpreter.allocate_tensors()
(source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
outputs = []
for row in np.load(f"{folder}/inputs.npy"):
    interpreter.set_tensor(source["index"], row[None].astype(source["dtype"]))
    interpreter.invoke()
    outputs.append(interpreter.get_tensor(result["index"])[0])
print(wire.dumps(wire.encode(np.array(outputs), None)))
"""


class TfliteError(answers.WrongAnswer):
    """LiteRT cannot run the bytes; ``for_student`` says so."""


def run(model: bytes, inputs: ArrayLike, seconds: float = 60) -> np.ndarray:
    """The outputs of a network in a .tflite file.

    Args:
        model: The file, as a student made it.
        inputs: Shape (n, ...). As many inputs as wanted, cast to the type of the network's one input.
        seconds: Longest time it may take.

    Returns:
        Shape (n, ...). The network's one output for each.

    Raises:
        TfliteError: It is no .tflite file with one input and one output, or does not take these inputs.
    """
    if not isinstance(model, bytes | bytearray):
        raise TfliteError(f"a .tflite file is bytes, not {type(model).__name__}")
    with places.scratch() as scratch:
        folder = Path(scratch)
        (folder / "model.tflite").write_bytes(model)
        np.save(folder / "inputs.npy", np.asarray(inputs), allow_pickle=False)
        folder.chmod(0o755)
        program = [sys.executable, "-c", _PROGRAM, str(folder), str(bubblewrap.INSIDE)]
        result = cpp.in_sandbox(program, folder, False, seconds, bubblewrap.Limits())
    try:
        answer = wire.Decoder(lambda *_: None).decode(wire.loads(result.stdout.strip().splitlines()[-1]))
    except (wire.WireError, IndexError):
        answer = None
    if result.returncode or not isinstance(answer, np.ndarray):
        raise TfliteError("LiteRT cannot run this .tflite file")
    return answer
