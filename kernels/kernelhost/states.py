"""Whether a kernel runs code, as its host tells the gateway: with the message that says so to a client, in one piece.

The model follows a moment later, and only if it is still so. A client that has read of a change finds it in the model.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class States:
    """Which state a kernel is in, and how many it was in before: of two, the one with more is the newer."""

    count: int
    now: str

    def encode(self) -> bytes:
        return self.count.to_bytes(8, "little") + self.now.encode()


def decode_states(data: bytes) -> States:
    return States(int.from_bytes(data[:8], "little"), data[8:].decode())
