"""Opens a board, real or simulated, sends inputs to it and returns the answers of its network.

with edgekit.board.simulate(project) as board:
    print(board.classify([0, 1]))
"""

from edgekit.board.board import Board
from edgekit.board.faults import FaultyTransport
from edgekit.board.opening import connect, simulate
from edgekit.board.protocol import BoardError, Info, Result
from edgekit.board.transport import SerialTransport, SimulatedTransport, StdioTransport, Transport, TransportError
from edgekit.former_names import functions_of

__all__ = [
    "Board",
    "BoardError",
    "FaultyTransport",
    "Info",
    "Result",
    "SerialTransport",
    "SimulatedTransport",
    "StdioTransport",
    "Transport",
    "TransportError",
    "connect",
    "simulate",
]

__getattr__ = functions_of(__name__)
