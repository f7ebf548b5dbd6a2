"""Writes the C that keeps the states of a network from one inference to the next.

A state has a place of its own in the arena. All ops of an inference read it there, and after the last one it is
replaced by the values that it keeps. Where its old values are needed at that moment, they are copied first: another
state keeps them, or they are an output. Usually no copy is needed: no op reads the state after the op that computes the
values that it keeps, and that op writes them to the state's place.
"""

from collections.abc import Mapping
from math import prod

from edgekit.codegen.arena import Arena
from edgekit.codegen.names import in_comment
from edgekit.network import Graph


def owners(model: Graph, owner: Mapping[str, str]) -> dict[str, str]:
    """`owner` of `buffers`, with the tensors that are written to the place of a state."""
    owner, written = dict(owner), {op.output: position for position, op in enumerate(model.ops)}
    for state, kept in model.states.items():
        place = owner[kept]
        ends = [*model.outputs, *(name for other, name in model.states.items() if other != state)]
        readers = [i for i, op in enumerate(model.ops) for name in op.inputs if owner[name] == state]
        alone = not {place, state} & {owner[name] for name in ends}
        if alone and place in written and max(readers, default=-1) < written[place]:
            owner |= {name: state for name, its in owner.items() if its == place}
    return owner


def buffers(model: Graph, owner: Mapping[str, str]) -> dict[str, int]:
    """The places that states need: dict from name to number of values.

    Args:
        model: a `Network` or a `QuantizedNetwork`.
        owner: dict from the name of each tensor to that of the tensor whose memory it uses.

    Returns:
        dict; the names are those of the states, and of the copies of some.
    """
    sizes = {state: prod(model.shapes[state]) for state in model.states}
    return sizes | {_copy(model, state): sizes[state] for state in _copied(model, owner)}


def at_end(model: Graph, owner: Mapping[str, str], tensor: str) -> str:
    """The name of the place that has the values of a tensor after the last op, while states are replaced."""
    return _copy(model, owner[tensor]) if owner[tensor] in _copied(model, owner) else owner[tensor]


def beginning(model: Graph, name: str, arena: Arena) -> str:
    """The functions that are called before the first inference, C."""
    if not model.states:
        return f"int {name}_init(void)\n{{\n    return 0;\n}}"
    lines = []
    for state, values in model.first_states().items():
        value, place = int(values.flat[0]), arena.offsets[state]
        lines.append(f"    memset(arena.bytes + {place}, {value}, {values.nbytes}); /* {in_comment(state)} */")
    sets = "\n".join(lines)
    return (
        f"static int ready; /* whether the states have their first values */\n\n"
        f"void {name}_reset(void)\n{{\n{sets}\n    ready = 1;\n}}\n\n"
        f"int {name}_init(void)\n{{\n    {name}_reset();\n    return 0;\n}}"
    )


def copies(model: Graph, owner: Mapping[str, str], ids: Mapping[str, str], arena: Arena) -> tuple[list[str], list[str]]:
    """The lines of C before the first op, and those after the last one.

    Args:
        model: a `Network` or a `QuantizedNetwork`.
        owner: as in `buffers`.
        ids: dict from the name of each tensor to that of its pointer.
        arena: the places.
    """
    if not model.states:
        return [], []
    before, after = ["    if (!ready) {", "        return 1;", "    }"], []
    sizes = {state: values.nbytes for state, values in model.first_states().items()}
    for state in _copied(model, owner):
        place = arena.offsets[_copy(model, state)]
        before.append(f"    memcpy(arena.bytes + {place}, {ids[state]}, {sizes[state]});")
    for state, kept in model.states.items():
        where = at_end(model, owner, kept)
        source = f"arena.bytes + {arena.offsets[where]}" if where != owner[kept] else ids[where]
        if owner[kept] != state:
            after.append(f"    memcpy({ids[state]}, {source}, {sizes[state]});")
    return before, ["", "    /* the states of the next inference */", *after] if after else []


def _copied(model, owner):
    """The states whose values are needed while states are replaced."""
    needed = {owner[name] for name in model.outputs}
    needed |= {owner[kept] for state, kept in model.states.items() if owner[kept] != state}
    return [state for state in model.states if state in needed]


def _copy(model, state):
    """The name of the copy of a state; no tensor has it."""
    name = f"{state} before"
    while name in model.shapes:
        name += "_"
    return name
