"""The states of a network: values that it keeps from one inference to the next, as a streaming network does.

A streaming network takes a sequence piece by piece, for example three frames of sound at each inference. It keeps what
it still needs of the pieces before. A `Session` is one sequence: it holds these values between the calls.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.network.ops import Op, Shape

# The values of the states of a network: arrays (*shape) by name.
States = dict[str, np.ndarray]


class Stateful(Protocol):
    """The parts of a network that say what it keeps."""

    @property
    def name(self) -> str: ...

    @property
    def inputs(self) -> tuple[str, ...]: ...

    @property
    def shapes(self) -> dict[str, Shape]: ...

    @property
    def ops(self) -> tuple[Op, ...]: ...

    @property
    def constants(self) -> dict[str, np.ndarray]: ...

    @property
    def states(self) -> dict[str, str]: ...


class Runner(Stateful, Protocol):
    """A network that a `Session` runs: a `Network`, or one in int8."""

    def first_states(self) -> States: ...

    def run(self, x: Any, states: States | None = None) -> Any: ...

    def predict(self, real: Any, states: States | None = None) -> Any: ...


class Session:
    """One sequence through a network with states, piece by piece.

    Attributes:
        network: a `Network`, or a `QuantizedNetwork`.
        states: dict from the name of each state to its values now, (*shape): float32, or int8 in an int8 network.

    Example:
        >>> session = Session(quantized)
        >>> for frames in microphone:
        ...     probability = session.predict(frames[None])
        >>> session.reset()  # another sequence begins
    """

    def __init__(self, network: Runner) -> None:
        self.network = network
        self.states = network.first_states()

    def reset(self) -> None:
        """Let a new sequence begin: every state is the real 0 again."""
        self.states = self.network.first_states()

    def run(self, x: Any) -> Any:
        """Go on with the next N inputs of the sequence, as the network's own `run`."""
        return self.network.run(x, self.states)

    def predict(self, real: Any) -> Any:
        """Go on with the next N inputs of the sequence, as the network's own `predict`."""
        return self.network.predict(real, self.states)


def check_states(network: Stateful) -> None:
    """Check that states begin and end in tensors that can be one.

    Raises:
        ValueError: a state's tensor has its values already, nothing computes the values that it keeps, or they have
            another shape; names the tensors.
    """
    computed = {op.output for op in network.ops}
    for state, kept in network.states.items():
        if state in computed or state in network.inputs or state in network.constants:
            raise InvalidValue(
                f"the state {state!r} of {network.name!r} is an input, a constant or the output of an op"
            )
        known = kept in computed or kept in network.inputs or kept in network.constants or kept in network.states
        if state not in network.shapes or not known:
            raise InvalidValue(f"nothing in {network.name!r} computes {kept!r}, which the state {state!r} keeps")
        if tuple(network.shapes[state]) != tuple(network.shapes[kept]):
            raise InvalidValue(
                f"the state {state!r} of shape {network.shapes[state]} cannot keep {kept!r} of shape "
                f"{network.shapes[kept]}"
            )


def in_sequence(
    network: Stateful,
    inputs: Mapping[str, np.ndarray],
    states: States,
    run: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]],
) -> dict[str, np.ndarray]:
    """Run inputs one after the other, each with the states that the one before left.

    Args:
        network: with states.
        inputs: dict from name to array (n, *shape).
        states: dict from the name of each state to its values, (*shape); afterwards those after the last input.
        run: function from a dict of tensors with a batch of 1 to the tensors wanted, those that are kept among them.

    Returns:
        dict from the names of `run` to array (n, *shape).

    Raises:
        ValueError: the states are those of another network.
    """
    if {name: values.shape for name, values in states.items()} != {
        name: tuple(network.shapes[name]) for name in network.states
    }:
        raise InvalidValue(f"{network.name!r} keeps the states {', '.join(network.states)}; got {', '.join(states)}")
    steps = []
    for position in range(len(next(iter(inputs.values())))):
        now = {name: array[position : position + 1] for name, array in inputs.items()}
        tensors = run(now | {name: values[None] for name, values in states.items()})
        states |= {state: np.array(tensors[kept][0]) for state, kept in network.states.items()}
        steps.append(tensors)
    return {name: np.concatenate([tensors[name] for tensors in steps]) for name in steps[0]}
