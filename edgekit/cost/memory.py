"""The room for a network's arena in the memory of the board: one number, with its parts, for all that checks it."""

from math import prod

from edgekit.network import Graph

# The ESP32's data memory that ESP-IDF 5.5 links static data into: dram0_0_seg of its linker script.
DATA_RAM = 180_736
# Of it, what ESP-IDF and an application of edgekit take besides a picture, as the linker reported it.
PROGRAM_RAM = 13_480
# Wi-Fi's default buffers and task take about this much while a connection is up.
WIFI_RAM = 64 * 1024


def picture_bytes(model: Graph) -> int:
    """The memory that an application needs for the pictures that a network takes, beside the arena.

    Args:
        model: the network.

    Returns:
        Bytes: one for each value of an input with height, width and channels; 0 for other inputs.
    """
    return sum(prod(shape) for shape in map(model.shapes.__getitem__, model.inputs) if len(shape) == 3)


def arena_room(picture: int = 0) -> int:
    """The largest arena that an ESP-EYE has room for.

    Args:
        picture: bytes of the picture that the application keeps beside the arena; 0 for other inputs.

    Returns:
        Bytes.
    """
    return DATA_RAM - PROGRAM_RAM - picture


def too_large(arena: int, picture: int = 0) -> str | None:
    """Say that an arena does not fit, with the parts of the room.

    Args:
        arena: its bytes.
        picture: as for `arena_room`.

    Returns:
        The end of a sentence, "takes ... bytes, ...", or None if it fits.
    """
    room = arena_room(picture)
    if arena <= room:
        return None
    pixels = f", {picture:,} for a picture" if picture else ""
    return (
        f"takes {arena:,} bytes, {arena - room:,} more than the {room:,} that an ESP-EYE has for it "
        f"({DATA_RAM:,} for static data, less {PROGRAM_RAM:,} for ESP-IDF and the application{pixels})"
    )
