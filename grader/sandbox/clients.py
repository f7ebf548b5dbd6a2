"""Connects the grader and the tests to a kernel whose messages may be hostile; imports little, for a quick start."""

from collections.abc import Mapping
from typing import Any

import zmq
from jupyter_client.blocking import BlockingKernelClient

MAX_MESSAGE = 16 << 20  # bytes of one message from a kernel
MAX_ANSWER = 64 << 20  # of one answer to a test
_MESSAGES, _ANSWERS = 8, 1  # how many of them may wait here to be read


def connect(connection: Mapping[str, Any], outputs: bool = True) -> BlockingKernelClient:
    """A client that takes no message over MAX_MESSAGE (MAX_ANSWER without the outputs' channel).

    It has no channel that nobody reads: what a kernel says there would pile up in this process.
    """
    context = zmq.Context()
    context.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE if outputs else MAX_ANSWER)
    context.setsockopt(zmq.RCVHWM, _MESSAGES if outputs else _ANSWERS)
    client = BlockingKernelClient(context=context)
    info: Any = dict(connection) | {"key": connection["key"].encode()}
    client.load_connection_info(info)
    client.start_channels(shell=True, iopub=outputs, stdin=False, hb=False, control=False)
    return client


def interrupt(client: BlockingKernelClient) -> None:
    """Ask the kernel to stop what it is doing; its answer is not waited for."""
    control = client.connect_control(identity=client.session.bsession)
    client.session.send(control, client.session.msg("interrupt_request", {}))
    control.close(linger=1000)
