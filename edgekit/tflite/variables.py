"""Reads and writes the variables of a .tflite file, which keep values from one inference to the next.

In a file, VAR_HANDLE names a variable, READ_VARIABLE copies its values at this place in the order of the operators, and
ASSIGN_VARIABLE replaces them. CALL_ONCE runs another subgraph before the first inference, which assigns the first
values. In a network, a state names the tensor that an inference begins with and the one whose values it keeps
(`edgekit.network.Graph.states`), so that order does not matter: a READ_VARIABLE after an ASSIGN_VARIABLE is the tensor
that was assigned.

TensorFlow Lite Micro fills a variable with its zero point, the real 0, and its Reset() does so again. It does not run
CALL_ONCE again. So a file with other first values is refused.
"""

from collections import Counter
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
        ValueError: other subgraphs do more than to set variables to 0, or the variables contradict themselves.
    """
    calls = [operator for code, operator in graphs[0] if code == "CALL_ONCE"]
    begins = [int(_options(operator, "CALL_ONCE").initSubgraphIndex) for operator in calls]
    if set(begins) != set(range(1, len(graphs))):
        raise InvalidValue(
            f"this .tflite file holds {len(graphs)} subgraphs (control flow); supported are one, and others that set "
            "variables before the first inference (CALL_ONCE). An LSTM of Keras 3 becomes a loop in such a file: give "
            "its Keras model"
        )
    variables = _Variables(file)
    for index in range(1, len(graphs)):
        variables.begin(File(file.schema, model, model.subgraphs[index]), graphs[index])
    return variables.replaced(graphs[0])


def _options(operator, code):
    field = {"CALL_ONCE": "initSubgraphIndex", "VAR_HANDLE": "sharedName"}[code]
    if not hasattr(operator.builtinOptions, field):
        damaged(f"one {code} has no options")
    return operator.builtinOptions


def _check_ends(code, operator):
    if (len(operator.inputs), len(operator.outputs)) != _ENDS[code] or min(operator.inputs, default=0) < 0:
        damaged(f"one {code} has {len(operator.inputs)} inputs and {len(operator.outputs)} outputs")


class _Variables:
    """The variables of a file, by name.

    Attributes:
        file: its first subgraph.
        form: (file, index) of the first tensor that a variable was seen with.
        containers: in which container a variable is.
        first: the index of the tensor that a variable was read as before any was assigned.
        now: the index of the tensor with the values of a variable at this place in the order of the operators.
        assigned: the variables that an operator up to here has assigned.
    """

    def __init__(self, file):
        self.file = file
        self.form, self.containers, self.first, self.now, self.assigned = {}, {}, {}, {}, set()
        self.handles = {}  # by index of a tensor: the variable that it names
        self.alike = {}  # by index of a tensor that was read: the index of the tensor with the same values
        constants = {index for index in range(len(file.graph.tensors)) if file.is_constant(index)}
        self.computed = {*file.graph.inputs, *constants}

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
            variable, index = _named(file, handles, operator), operator.inputs[1]
            self.check_form(variable, file, index)
            values = file.values(index)
            if values is None:
                damaged(f"the first values of the variable {variable!r} are no constant")
            zero = file.steps(index, values.shape)[1][0] if file.type(index) in ("INT8", "UINT8") else 0
            if np.any(values != zero):
                raise InvalidValue(
                    f"the variable {variable!r} begins with other values than 0, to which TensorFlow Lite Micro does "
                    "not set it back: begin with zeros"
                )

    def replaced(self, operators):
        """The operators without those of variables; goes through them in order and notes the states."""
        graph, file, result = self.file.graph, self.file, []
        written = Counter(index for _, operator in operators for index in operator.outputs)
        own = {index for code, each in operators if code in ("READ_VARIABLE", "VAR_HANDLE") for index in each.outputs}
        for index in own:
            if written[index] > 1 or index in self.computed:
                damaged(f"tensor {file.name(index)!r} of a variable has its values already")
        for code, operator in operators:
            for position, index in enumerate(operator.inputs):
                if index in self.handles and (position or code not in ("READ_VARIABLE", "ASSIGN_VARIABLE")):
                    raise InvalidValue(f"{code} reads {file.name(index)!r}, which names a variable and has no values")
                if index in own and index not in self.alike and index not in self.handles:
                    damaged(f"{code} reads tensor {file.name(index)!r}, which is computed later")
            operator.inputs = [self.alike.get(index, index) for index in operator.inputs]
            if code in CODES:
                _check_ends(code, operator)
                self.run(code, operator)
            else:
                result.append((code, operator))
            self.computed |= set(operator.outputs)
        for variable in self.first:
            if variable not in self.assigned:
                raise InvalidValue(f"the variable {variable!r} is read, and no ASSIGN_VARIABLE writes it")
        for index in graph.outputs:
            if index in self.handles:
                damaged(f"its output {file.name(index)!r} names a variable")
        graph.outputs = [self.alike.get(index, index) for index in graph.outputs]
        file.states = {index: self.now[variable] for variable, index in self.first.items()}
        return result

    def run(self, code, operator):
        """Follow an operator of a variable."""
        if code == "CALL_ONCE":
            if self.assigned:
                raise InvalidValue("CALL_ONCE after ASSIGN_VARIABLE would set the variables back; it must come first")
            return
        if code == "VAR_HANDLE":
            self.handles[operator.outputs[0]] = self.variable(operator)
            return
        variable = _named(self.file, self.handles, operator)
        index = operator.outputs[0] if code == "READ_VARIABLE" else operator.inputs[1]
        self.check_form(variable, self.file, index)
        if code == "READ_VARIABLE":
            if variable not in self.now:
                self.first[variable] = self.now[variable] = index
            self.alike[index] = self.now[variable]
            return
        if index not in self.computed:
            damaged(f"ASSIGN_VARIABLE reads tensor {self.file.name(index)!r}, which is computed later")
        if self.file.is_constant(index):
            raise InvalidValue(f"the variable {variable!r} is set to the constant {self.file.name(index)!r}")
        self.now[variable] = index
        self.assigned.add(variable)

    def variable(self, operator):
        """The name of the variable that a VAR_HANDLE names."""
        options = _options(operator, "VAR_HANDLE")
        container, name = ((text or b"").split(b"\0")[0] for text in (options.container, options.sharedName))
        if self.containers.setdefault(name, container) != container:
            raise InvalidValue(f"there are two variables {name.decode(errors='replace')!r}, in different containers")
        return name.decode(errors="surrogateescape")

    def check_form(self, variable, file, index):
        """Check that a variable always has one type, shape, scale and zero point."""
        known, place = self.form.setdefault(variable, (file, index))
        one, other = (each.graph.tensors[at] for each, at in ((known, place), (file, index)))
        if (one.type, one.shape) != (other.type, other.shape) or _steps(one) != _steps(other):
            raise InvalidValue(
                f"the variable {variable!r} is {known.name(place)!r} of shape {one.shape} and {file.name(index)!r} of "
                f"shape {other.shape}: both must have one type, shape, scale and zero point"
            )


def _named(file, handles, operator):
    """The variable that a READ_VARIABLE or ASSIGN_VARIABLE uses."""
    index = operator.inputs[0]
    if index not in handles:
        damaged(f"{file.name(index)!r} is used as a variable, but no VAR_HANDLE computes it before")
    return handles[index]


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
