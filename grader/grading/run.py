"""The step of `nbgrader autograde` that runs a submission: its cells in the sandbox, the tests beside it."""

import ast
import atexit
import contextlib
import importlib.util
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

import nbformat
from nbformat.notebooknode import NotebookNode
from nbgrader import utils
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool, Float, Integer, List, Unicode
from traitlets.config import Config

from grader.grading.files import copy_files
from grader.grading.marked_cells import Lesson
from grader.grading.read import note, without_surrogates
from grader.lesson import test_names
from grader.paths import CHECKOUT, Course
from grader.sandbox import bubblewrap, places, warm
from grader.sandbox.kernels import Kernel, error_output, in_new_loop

UNSAFE_NOTE = (
    "**Graded without the sandbox** (`--unsafe`): this notebook's code ran with the grader's own rights. "
    "Trust these marks only if you trust the student."
)
_SHOWN = ("text/plain", "image/png", "image/jpeg")  # of a student's outputs: nothing that a browser would run
_NOT_RUN = "(This cell was not run: no mark depends on it.)\n"
_WAS_MISSING = "(This task was missing from what was handed in. Its cell was put back, and was not run.)\n"
_TRUSTED_BYTES = 4 << 30  # memory of the kernel that runs the tests, whatever answers it gets
INSTRUCTOR_ONLY = {"edgekit": "instructor only"}


class RunSubmission(NbGraderPreprocessor):
    """Runs the notebook under grading; takes the place of nbgrader's Execute.

    A cell of the instructor's that is a test runs in the trusted kernel, from the instructor's source, with the
    student's names as stand-ins (`grader.grading.trusted`). Every other cell runs in the student's kernel, inside the
    sandbox.
    """

    cell_seconds = Float(120, help="Longest time a cell may take.").tag(config=True)
    notebook_seconds = Float(900, help="Longest time a submission may take in all.").tag(config=True)
    memory_mb = Integer(4096, help="Memory a submission may use, in MB.").tag(config=True)
    disk_mb = Integer(1024, help="How much a submission may write, in MB; it is kept in memory.").tag(config=True)
    processes = Integer(512, help="Processes and threads a submission may have.").tag(config=True)
    unsafe = Bool(False, help="Run student code without the sandbox. Every report will say so.").tag(config=True)
    course_root = Unicode("", help="The course's folder; set by grader.grading.nbgrader_setup.").tag(config=True)
    hidden = List(Unicode(), help="Folders that no student code may see, wherever they lie.").tag(config=True)

    warm: ClassVar[bool] = False  # whether student kernels are forks of one that has imported what the lesson imports
    brief: ClassVar[bool] = (
        False  # whether cells that no mark depends on are left out, where the student left them as is
    )
    prepared: ClassVar[dict[tuple[str, str], NotebookNode]] = {}  # run elsewhere (grader.batch), by student and lesson

    @property
    def limits(self) -> bubblewrap.Limits:
        """The configured limits."""
        return bubblewrap.Limits(
            self.cell_seconds, self.notebook_seconds, self.memory_mb, self.disk_mb, processes=self.processes
        )

    @property
    def course(self) -> Course:
        """The course that the submission belongs to."""
        return Course.at(self.course_root)

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """Fill the outputs of every code cell; never fails because of what the student wrote."""
        about = resources["nbgrader"]
        prepared = self.prepared.get((about["student"], about["assignment"]))
        if prepared is not None:
            return prepared, resources
        bubblewrap.hide([*self.hidden, *private_folders(self.config, self.course)])
        lesson = Lesson.of(resources, self.course)
        files = Path(resources["metadata"]["path"] or ".")
        in_new_loop(self._run, nb, lesson, files)
        # For reports; of the submission's own metadata nothing is here
        nb.metadata["edgekit"] = nb.metadata.get("edgekit", {}) | {"unsafe": self.unsafe}
        if self.unsafe:
            nb.cells.insert(0, note(UNSAFE_NOTE))
        return nb, resources

    def _run(self, nb: NotebookNode, lesson: Lesson, files: Path) -> None:
        _import_once(lesson.source, lesson.folder)
        with places.scratch() as scratch:
            submitted, own = Path(scratch) / "student", Path(scratch) / "lesson"
            half = self.disk_mb << 19  # bytes: room is left for what the notebook writes
            copy_files(files, submitted, lesson.notebook, half)
            copy_files(lesson.folder, own, lesson.notebook)
            for folder in (Path(scratch), submitted, own):
                folder.chmod(0o755)
            with _trusted_kernel(self.limits) as tests:  # the first one starts while the warm kernel does
                student = self._student_kernel(submitted, lesson)
                try:
                    _Grading(student, tests, lesson, self.limits, own, self.brief).grade(nb)
                finally:
                    student.close()

    def _student_kernel(self, files: Path, lesson: Lesson) -> Kernel:
        if self.unsafe:
            path = os.pathsep.join([str(bubblewrap.INSIDE), os.environ.get("PYTHONPATH", "")])
            return Kernel(self.limits, folder=files, environment=_trusted_environment() | {"PYTHONPATH": path})
        zygote = _zygote(imports(lesson.source)) if self.warm else None
        return Kernel(
            self.limits, zygote.sandbox(self.limits, files) if zygote else bubblewrap.Sandbox(self.limits, files)
        )


def private_folders(config: Config, course: Course) -> list[str]:
    """The folders of a course that no student may see: its own, and nbgrader's exchange where it is set up."""
    exchange = config.Exchange.get("root")
    return [str(course.root), *([str(exchange)] if exchange else [])]


_imported: set[str] = set()


def _import_once(source: NotebookNode, folder: Path) -> None:
    """Import what the lesson imports, so that its bytecode is on disk: the sandbox can read that but not write it."""
    new = imports(source) - _imported
    _imported.update(new)
    modules = {test_names.package(statement) for statement in new} - sys.stdlib_module_names
    if any(_is_uncompiled(module) for module in modules):
        command = [sys.executable, "-c", "\n".join(sorted(new))]
        subprocess.run(command, cwd=folder, env=_trusted_environment(), capture_output=True, timeout=600)


def imports(source: NotebookNode) -> set[str]:
    """The import statements of the instructor's notebook."""
    cells = (cell.source for cell in source.cells if cell.cell_type == "code")
    return {statement for cell in cells for statement in test_names.imports(cell).values()}


def _library_names(source: NotebookNode) -> list[str]:
    """The names that the instructor's notebook imports from edgekit."""
    cells = [cell.source for cell in source.cells if cell.cell_type == "code"]
    return sorted(
        name
        for cell in cells
        for name, statement in test_names.imports(cell).items()
        if test_names.package(statement) == "edgekit"
    )


def _own_cells(nb: NotebookNode, source: NotebookNode) -> list[str]:
    """The texts of the cells that the student has added or changed and that are no tasks."""
    given = {cell.source.strip() for cell in source.cells}
    return [
        cell.source
        for cell in nb.cells
        if cell.cell_type == "code" and "nbgrader" not in cell.metadata and cell.source.strip() not in given
    ]


_zygotes: list[warm.Zygote] = []  # the one that is in use


def _zygote(imports: set[str]) -> warm.Zygote:
    if not any(one.imports == imports and not (one.is_shared and one.is_gone) for one in _zygotes):
        use_zygote(warm.Zygote(imports))
    return _zygotes[0]


def use_zygote(zygote: warm.Zygote) -> None:
    """Start the kernels of students from ``zygote``, for lessons with its import statements."""
    _close_zygotes()
    _zygotes.append(zygote)


def _close_zygotes() -> None:
    while _zygotes:
        _zygotes.pop().close()


def _is_uncompiled(module: str) -> bool:
    spec = importlib.util.find_spec(module)
    return bool(spec and spec.origin and spec.cached and not os.path.exists(spec.cached))


_spare: list[Kernel] = []  # the trusted kernel of the submission before, when it is as good as new


@contextlib.contextmanager
def _trusted_kernel(limits: bubblewrap.Limits):
    """A kernel for tests; kept for the next submission unless something went wrong in it."""
    kernel = _spare.pop() if _spare else Kernel(limits, environment=_trusted_environment())
    resource.prlimit(kernel.pid, resource.RLIMIT_DATA, (_TRUSTED_BYTES, _TRUSTED_BYTES))
    try:
        kernel.renew(limits)
        yield kernel
    except BaseException:
        kernel.close()
        raise
    if kernel.usable and not _spare:
        _spare.append(kernel)
    else:
        kernel.close()


@atexit.register
def close_kernels() -> None:
    """End the kernels that are kept for the next submission."""
    while _spare:
        _spare.pop().close()
    _close_zygotes()


class _Grading:
    """One submission on its way through the two kernels."""

    def __init__(
        self, student: Kernel, tests: Kernel, lesson: Lesson, limits: bubblewrap.Limits, folder: Path, brief: bool
    ) -> None:
        self.folder = folder
        self.brief = brief
        self.student = student
        self.tests = tests
        self.lesson = lesson
        self.limits = limits
        self.plan = test_names.plan(lesson.source, lesson.tests)

    def grade(self, nb: NotebookNode) -> None:
        """Run every code cell of ``nb`` where it belongs; raises KernelDied when the kernels do not even start."""
        self._connect(nb)
        for cell in nb.cells:
            if cell.cell_type != "code":
                continue
            grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
            started = time.monotonic()
            if cell.metadata.get("edgekit", {}).get("put_back"):  # RestoreCells says so, never a student
                cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=_WAS_MISSING)]
            elif self.brief and cell.source in self.lesson.not_graded:
                cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=_NOT_RUN)]
            elif grade_id in self.lesson.tests and utils.is_grade(cell):
                cell.source = self.lesson.tests[grade_id]
                cell.outputs = _writable(self._test(grade_id, self.lesson.points[grade_id]))
            else:
                cell.outputs = [_harmless(output) for output in self.student.run(cell.source).outputs]
            cell.execution_count = None
            cell.metadata["edgekit"] = {"seconds": round(time.monotonic() - started, 2)}

    def _test(self, grade_id: str, points: float) -> list[NotebookNode]:
        source = self.lesson.tests[grade_id]
        names = self.plan[grade_id]
        request = {
            "grade_id": grade_id,
            "source": source,
            "points": points,
            "student": names.student,
            "imports": names.imports,
            "seconds": self.limits.cell_seconds,
        }
        result = self.tests.run(
            f"__import__('grader.grading.trusted').grading.trusted.run_test({json.dumps(request)!r})",
            seconds=self.limits.cell_seconds + 15,
            expressions={"result": "__import__('grader.grading.trusted').grading.trusted.result()"},
            meanwhile=self.student.discard,
        )
        return self._judge(result, source, points)

    def _connect(self, nb: NotebookNode) -> None:
        """Introduce the tests' kernel to the student's, which has to be up, and still clean."""
        self.student.ready()
        settings = {
            "connection": self.student.connection,
            "pid": self.student.pid,
            "folder": str(self.folder),
            "cells": {cell.metadata.nbgrader.grade_id: cell.source for cell in nb.cells if utils.is_solution(cell)},
            "own_cells": _own_cells(nb, self.lesson.source),
            "unsafe": self.student.sandbox is None,
            "hidden": bubblewrap.hidden(),
            "library": _library_names(self.lesson.source),
        }
        code = f"__import__('grader.grading.trusted').grading.trusted.connect({json.dumps(settings)!r})"
        result = self.tests.run(code, seconds=120)
        if result.status != "ok":
            raise RuntimeError(f"the tests' kernel failed: {result.outputs}")

    def _judge(self, result, source: str, points: float) -> list[NotebookNode]:
        """The outputs of a test cell; nbgrader reads the mark from them: an error is 0, a result is its number."""
        secret = "HIDDEN TESTS" in source
        outputs = [_told(output, secret) for output in result.outputs if output.output_type != "error"]
        if result.status != "ok":
            errors = [output for output in result.outputs if output.output_type == "error"]
            return [*outputs, *(errors or [error_output("TestFailed", "the test did not finish")])]
        said = json.loads(ast.literal_eval(result.expressions["result"]["data"]["text/plain"]))
        failure = said["failure"]
        if failure:
            details = nbformat.v4.new_output(
                "display_data", data={"text/plain": failure["details"]}, metadata=INSTRUCTOR_ONLY
            )
            return [*outputs, details, error_output(failure["name"], failure["message"], failure["lines"])]
        if said["score"] is None:
            return [*outputs, error_output("TestFailed", "the test did not finish")]
        if said["score"] != points:
            outputs.append(nbformat.v4.new_output("execute_result", data={"text/plain": repr(said["score"])}))
        return outputs


def _told(output: NotebookNode, secret: bool) -> NotebookNode:
    """A test cell's own output: never stderr, nbgrader's sign of failure; the instructor's if tests are hidden."""
    if output.output_type == "stream":
        output.name = "stdout"
        if secret:
            return nbformat.v4.new_output("display_data", data={"text/plain": output.text}, metadata=INSTRUCTOR_ONLY)
    elif secret:
        output.metadata = NotebookNode(INSTRUCTOR_ONLY)
    if output.output_type == "execute_result":
        return nbformat.v4.new_output("display_data", data=output.data, metadata=output.metadata)
    return output


def _harmless(output: NotebookNode) -> NotebookNode:
    """A student's output without what a browser would run."""
    output = _writable(output)
    if "data" in output:
        data = {kind: output.data[kind] for kind in _SHOWN if kind in output.data}
        return nbformat.v4.new_output("display_data", data=data or {"text/plain": "(not shown)"})
    return output


def _writable(value: Any) -> Any:
    """An output without half characters, which a student can print and no file can hold."""
    if isinstance(value, str):
        return without_surrogates(value)
    if isinstance(value, list):
        return [_writable(item) for item in value]
    if isinstance(value, dict):
        return NotebookNode({_writable(key): _writable(item) for key, item in value.items()})
    return value


def _trusted_environment() -> dict[str, str]:
    """This process's variables, with the checkout importable and without nbgrader's own."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("NBGRADER", "JPY_"))}
    path = [str(CHECKOUT), *filter(None, [environment.get("PYTHONPATH")])]
    return environment | {
        "PYTHONPATH": os.pathsep.join(path),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)]),
        "CUDA_VISIBLE_DEVICES": "-1",
        "OPENBLAS_NUM_THREADS": "1",  # notebooks run side by side
        places.VARIABLE: str(places.own()),  # which outlives it: it is killed
    }
