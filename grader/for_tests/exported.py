"""For test cells: compiles the C++ files that a student exported and runs them, both in the sandbox.

from grader.for_tests import exported
outputs = exported.run(model_files, "carclassifier", inputs)
"""

import functools
from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np

from grader.for_tests import answers, cpp
from grader.grading import session
from grader.sandbox import places

_SECONDS = 120
_MAIN = """
#include <cstdio>
#include "{name}.h"

int main(int, char **arguments) {{
    std::FILE *inputs = std::fopen(arguments[1], "rb");
    if (!inputs || {name}_init() != 0) return 1;
    while (std::fread({name}_input(), sizeof({name}_value), {name}_input_size, inputs) == {name}_input_size) {{
        if ({name}_invoke() != 0) return 1;
        for (int i = 0; i < {name}_output_size; i++) std::printf("%.9g\\n", double({name}_output()[i]));
    }}
}}
"""


def run(files: Sequence[PurePath], name: str, inputs: np.ndarray) -> np.ndarray:
    """The outputs of a network that a student exported with `edgekit.codegen.export`.

    Args:
        files: The paths of the header and the source, as the student has them.
        name: The network's name in C++.
        inputs: Shape (n, ...), of the type of the network's input.

    Returns:
        Shape (n, outputs), float64.

    Raises:
        WrongAnswer: The files are not there, do not compile, or do not take these inputs.
    """
    texts = {PurePath(file).name: _text(file) for file in files}
    if sorted(texts) != [f"{name}.cpp", f"{name}.h"]:
        raise answers.WrongAnswer(f"there should be two files, {name}.cpp and {name}.h")
    program = _build(texts[f"{name}.cpp"], texts[f"{name}.h"], name)
    with places.scratch() as scratch:
        folder = Path(scratch)
        (folder / "inputs").write_bytes(inputs.tobytes())
        (folder / "program").write_bytes(program)
        (folder / "program").chmod(0o755)
        folder.chmod(0o755)
        result = cpp.in_sandbox([str(folder / "program"), str(folder / "inputs")], folder, False, _SECONDS)
    try:
        outputs = np.array(result.stdout.split(), float).reshape(len(inputs), -1)
    except ValueError:
        outputs = np.empty((0, 0))
    if result.returncode or not outputs.size:
        raise answers.WrongAnswer(f"{name}.cpp does not run for this input: was it changed after the export?")
    return outputs


@functools.lru_cache(maxsize=8)  # most of a class exports the same files
def _build(source: str, header: str, name: str) -> bytes:
    with places.scratch() as scratch:
        folder, program = Path(scratch), Path(scratch) / "program"
        for file, text in (("main.cpp", _MAIN.format(name=name)), (f"{name}.cpp", source), (f"{name}.h", header)):
            (folder / file).write_text(text, encoding="utf-8")
        folder.chmod(0o755)
        sources = [str(folder / "main.cpp"), str(folder / f"{name}.cpp")]
        cpp.in_sandbox([cpp.compiler(), "-O1", *sources, "-o", str(program)], folder, True, _SECONDS)
        if program.is_symlink() or not program.is_file():
            raise answers.WrongAnswer(f"{name}.cpp does not compile: was it changed after the export?")
        return program.read_bytes()


def _text(path: PurePath) -> str:
    if session.student is None:
        return Path(path).read_text(encoding="utf-8")
    from grader.grading.trusted import StudentError

    try:
        text = session.student.ask("file", path=str(path))
    except (OSError, StudentError):
        text = None
    if not isinstance(text, str):
        raise answers.WrongAnswer(f"there is no file {PurePath(path).name} at the path in model_files")
    return text
