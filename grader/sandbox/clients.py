"""Connects the grader and the tests to a kernel whose messages may be hostile; imports little, for a quick start."""

from typing import Any

import zmq
from jupyter_client.blocking import BlockingKernelClient

MAX_MESSAGE = 16 << 20  # bytes of one message from a kernel
MAX_ANSWER = 64 << 20  # of one answer to a test


def connect(connection: dict, outputs: bool = True) -> BlockingKernelClient:
    """A client that takes no message over MAX_MESSAGE (MAX_ANSWER without the outputs' channel)."""
    context = zmq.Context()
    context.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE if outputs else MAX_ANSWER)
    client = BlockingKernelClient(context=context)
    info: Any = connection | {"key": connection["key"].encode()}
    client.load_connection_info(info)
    client.start_channels(shell=True, iopub=outputs, stdin=False, hb=False, control=True)
    return client
