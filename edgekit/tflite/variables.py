"""Reads and writes the variables of a .tflite file, which keep values from one inference to the next.

In a file, VAR_HANDLE names a variable, READ_VARIABLE copies its values at this place in the order of the operators, and
ASSIGN_VARIABLE replaces them. CALL_ONCE runs another subgraph before the first inference, which assigns the first
values. In a network, a state names the tensor that an inference begins with and the one whose values it keeps
(`edgekit.network.Graph.states`), so that order does not matter: a READ_VARIABLE after an ASSIGN_VARIABLE is the tensor
that was assigned.

TensorFlow Lite Micro fills a variable with its zero point, the real 0, and its Reset() does so again. It does not run
CALL_ONCE again. So a file with other first values is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.network import Graph
from edgekit.tflite.file import File
from edgekit.tflite.unpacking import damaged

Operators = list[tuple[str, Any]]  # (name in the schema, schema object)
CODES = ("CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE")
_ENDS = {"CALL_ONCE": (0, 0), "VAR_HANDLE": (0, 1), "READ_VARIABLE": (1, 1), "ASSIGN_VARIABLE": (2, 0)}


def without_variables(file: File, model: Any, graphs: Sequence[Operators]) -> Operators:
    """Replace the variables of a file by `file.states`.

    Args:
        file: the first subgraph.
        model: the whole file.
        graphs: for each subgraph, (name in the schema, schema object) of its operators.

    Returns:
        The operators of the first subgraph without those of variables.

    Raises:
        ValueError: there are other subgraphs than those that set variables to 0, or the variables contradict themselves.
    """
    begins = [int(_options(operator, "CALL_ONCE").initSubgraphIndex) for code, operator in graphs[0] if code == CODES[0]]
    if set(begins) != set(range(1, len(graphs))):
        raise InvalidValue(
            f"this .tflite file holds {len(graphs)} subgraphs (control flow); supported are one, and others that set "
            "variables before the first inference (CALL_ONCE)"
        )
    variables = _Variables(file)
    for index in range(1, len(graphs)):
        variables.begin(File(file.schema, model, model.subgraphs[index]), graphs[index])
    return variables.replaced(graphs[0])


def _options(operator, code):
    if operator.builtinOptions is None or not hasattr(operator.builtinOptions, _FIELDS[code]):
        damaged(f"a {code} has no options")
    return operator.builtinOptions


_FIELDS = {"CALL_ONCE": "initSubgraphIndex", "VAR_HANDLE": "sharedName"}


def _check_ends(code, operator):
    if (len(operator.inputs), len(operator.outputs)) != _ENDS[code] or min(operator.inputs, default=0) < 0:
        damaged(f"a {code} has {len(operator.inputs)} inputs and {len(operator.outputs)} outputs")


class _Variables:
    """The variables of a file, by name."""

    def __init__(self, file):
        self.file = file
        self.form = {}  # by variable: (file, index) of the first tensor that it was seen with
        self.first = {}  # by variable: the index of the tensor that was read before any was assigned
        self.now = {}  # by variable: the index of the tensor with its values at this place in the order

    def begin(self, file, operators):
        """Check that a subgraph only sets variables to 0."""
        handles = {}
        for code, operator in operators:
            if code not in ("VAR_HANDLE", "ASSIGN_VARIABLE"):
                raise InvalidValue(
                    f"this .tflite file computes the first values of its variables with {code}, which is not supported"
                )
            _check_ends(code, operator)
            if code == "VAR_HANDLE":
                handles[operator.outputs[0]] = self.variable(operator)
                continue
            variable, index = self.handle(file, handles, operator), operator.inputs[1]
            self.check_form(variable, file, index)
            values = file.values(index)
            if values is None:
                damaged(f"the first values of the variable {variable[1]!r} are no constant")
            zero = file.steps(index, values.shape)[1][0] if file.type(index) in ("INT8", "UINT8") else 0
            if np.any(values != zero):
                raise InvalidValue(
                    f"the variable {variable[1]!r} begins with other values than 0, to which TensorFlow Lite Micro does "
                    "not set it back: begin with zeros"
                )

    def replaced(self, operators):
        """The operators without those of variables; reads them in order and notes the states."""
        file, written = self.file, [index for _, operator in operators for index in operator.outputs]
        once = set(file.graph.inputs)
        copies = {index for code, op in operators if code in ("READ_VARIABLE", "VAR_HANDLE") for index in op.outputs}
        for index in copies:
            if written.count(index) > 1 or index in once or file.is_constant(index):
                damaged(f"tensor {file.name(index)!r} of a variable has its values already")
        handles, result, alike, assigned = {}, [], {}, set()
        computed = once | {index for index in range(len(file.graph.tensors)) if file.is_constant(index)}
        for code, operator in operators:
            for position, index in enumerate(operator.inputs):
                if index in handles and (position or code not in ("READ_VARIABLE", "ASSIGN_VARIABLE")):
                    raise InvalidValue(f"{code} reads {file.name(index)!r}, which names a variable and has no values")
                if index in copies and index not in alike and index not in handles:
                    damaged(f"{code} reads tensor {file.name(index)!r}, which is computed later")
            operator.inputs = [alike.get(index, index) for index in operator.inputs]
            if code not in CODES:
                computed |= set(operator.outputs)
                result.append((code, operator))
                continue
            _check_ends(code, operator)
            if code == "CALL_ONCE":
                if assigned:
                    raise InvalidValue("CALL_ONCE after ASSIGN_VARIABLE would set the variables back; it must come first")
            elif code == "VAR_HANDLE":
                handles[operator.outputs[0]] = self.variable(operator)
            elif code == "READ_VARIABLE":
                variable, index = self.handle(file, handles, operator), operator.outputs[0]
                self.check_form(variable, file, index)
                self.first.setdefault(variable, index) if variable not in self.now else None
                alike[index] = self.now.setdefault(variable, index)
                computed.add(index)
            else:
                variable, index = self.handle(file, handles, operator), operator.inputs[1]
                self.check_form(variable, file, index)
                if index not in computed:
                    damaged(f"ASSIGN_VARIABLE reads tensor {file.name(index)!r}, which is computed later")
                if file.is_constant(index):
                    raise InvalidValue(f"the variable {variable[1]!r} is set to the constant {file.name(index)!r}")
                self.now[variable] = index
                assigned.add(variable)
        for variable in self.first:
            if variable not in assigned:
                raise InvalidValue(f"the variable {variable[1]!r} is read, and no ASSIGN_VARIABLE writes it")
        for index in (*file.graph.inputs, *file.graph.outputs):
            if index in handles:
                damaged(f"{file.name(index)!r} names a variable, and cannot be an input or output")
        file.graph.outputs = [alike.get(index, index) for index in file.graph.outputs]
        file.states = {index: self.now[variable] for variable, index in self.first.items()}
        return result

    def variable(self, operator):
        """(container, name) of the variable that a VAR_HANDLE names."""
        options = _options(operator, "VAR_HANDLE")
        texts = [(text or b"").decode(errors="replace") for text in (options.container, options.sharedName)]
        return tuple(texts)

    def handle(self, file, handles, operator):
        """The variable of a READ_VARIABLE or ASSIGN_VARIABLE."""
        index = operator.inputs[0]
        if index not in handles:
            damaged(f"{file.name(index)!r} is used as a variable, but no VAR_HANDLE computes it before")
        return handles[index]

    def check_form(self, variable, file, index):
        """Check that a variable always has one type, shape, scale and zero point."""
        known, place = self.form.setdefault(variable, (file, index))
        one, other = (each.graph.tensors[at] for each, at in ((known, place), (file, index)))
        if (one.type, one.shape) != (other.type, other.shape) or _steps(one) != _steps(other):
            raise InvalidValue(
                f"the variable {variable[1]!r} is {known.name(place)!r} of shape {one.shape} and {file.name(index)!r} of "
                f"shape {other.shape}: both must have one type, shape, scale and zero point"
            )


def _steps(tensor):
    q = tensor.quantization
    return () if q is None else (q.scale.tolist(), q.zeroPoint.tolist())


@dataclass(frozen=True)
class Order:
    """When a file reads and assigns the variables of a network.

    Attributes:
        reads: dict from the name of a state to the position of the op before which it is read.
        assigns: dict from the name of a state to the position of the op after which it is assigned.
    """

    reads: dict[str, int]
    assigns: dict[str, int]


def variable_order(network: Graph) -> Order:
    """When a file reads and assigns variables: late and early, so that their tensors are needed for a short time."""
    first: dict[str, int] = {}  # by tensor: the first op that reads it
    for position, op in enumerate(network.ops):
        for name in op.inputs:
            first.setdefault(name, position)
    computed = {op.output: position for position, op in enumerate(network.ops)}
    reads = {state: first.get(state, max(len(network.ops) - 1, 0)) for state in network.states}
    # A variable must be read before it is assigned.
    assigns = {
        state: max(computed.get(kept, 0), reads[state], reads.get(kept, 0)) for state, kept in network.states.items()
    }
    return Order(reads, assigns)


class VariableWriter:
    """Writes the states of a network as variables.

    Args:
        writer: the `writer.Writer` that collects tensors and operators.
        index: dict from the name of each tensor of the network to its index.
    """

    def __init__(self, writer: Any, index: Mapping[str, int]) -> None:
        self.writer, self.index, self.states = writer, index, writer.network.states
        self.order = variable_order(writer.network)
        self.handles: dict[str, int] = {}

    def begin(self) -> None:
        """Write the operators that come first."""
        if self.states:
            self.writer.operator("CALL_ONCE", [], [], self._options("CallOnceOptions", initSubgraphIndex=1))
            self._write_handles()

    def before(self, position: int) -> None:
        """Write the operators that come before the op at this position."""
        for state in (state for state in self.states if self.order.reads[state] == position):
            self.writer.operator("READ_VARIABLE", [self.handles[state]], [self.index[state]])

    def after(self, position: int) -> None:
        """Write the operators that come after the op at this position."""
        for state in (state for state in self.states if self.order.assigns[state] == position):
            self.writer.operator("ASSIGN_VARIABLE", [self.handles[state], self.index[self.states[state]]], [])

    def first_values(self) -> None:
        """Write the operators that set all variables to 0, for the runtimes that do not do so themselves."""
        self._write_handles()
        for state, values in self.writer.network.first_states().items():
            zeros = self.writer.activation(f"{state}/zeros", state, values)
            self.writer.operator("ASSIGN_VARIABLE", [self.handles[state], zeros], [])

    def _write_handles(self):
        for state in self.states:
            self.handles[state] = self.writer.resource(f"{state}/variable")
            options = self._options("VarHandleOptions", container="", sharedName=state)
            self.writer.operator("VAR_HANDLE", [], [self.handles[state]], options)

    def _options(self, name, **values):
        options = getattr(self.writer.schema, f"{name}T")()
        for key, value in values.items():
            setattr(options, key, value)
        return name, options
