"""A network that misbehaves, between a client and one node: fault_proxy.py HOST:PORT FAULT [ARGUMENT...]

Listens on a free port of loopback, prints "127.0.0.1:PORT" when it does, and passes bytes to and from HOST:PORT until it is
ended. Counts are of each connection by itself, of what the node sends:

    pass                    nothing is wrong
    stall BYTES             after so many bytes nothing more comes, and the connection stays
    trickle BYTES RATE      after so many bytes RATE bytes a second come
    rate RATE               RATE bytes a second, both ways
    reset BYTES             after so many bytes the connection is reset (TCP's RST)
    delay MS [PERCENT]      each way takes MS milliseconds; of all pieces that come, PERCENT are lost once, and come 200 ms
                            later with all that is behind them, as TCP has it
    flip BYTES              one bit in each stretch of so many bytes is wrong, wherever it falls
    flip-data BYTES         the same, in the payload of HTTP/2's DATA frames only
    rst FRAMES              after so many DATA frames of a stream, RST_STREAM both ways
    goaway FRAMES           after so many DATA frames of the connection, GOAWAY, and the end
    prefix                  the length of each call's first message is said to be 2^31
    gate FILE               while FILE is there nothing passes, in either direction
    black-hole              takes no connection: attempts are not even refused (HOST:PORT is not used)
"""
import asyncio
import os
import random
import socket
import struct
import sys
import time

PIECE = 65536
DATA, RST_STREAM, GOAWAY, WINDOW_UPDATE = 0, 3, 7, 8


def frame(kind, stream, payload, flags=0):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


class Frames:
    """Cuts a stream of bytes into whole HTTP/2 frames."""

    def __init__(self):
        self.rest = b""

    def take(self, piece):
        self.rest += piece
        frames, at = [], 0
        while len(self.rest) - at >= 9:
            size = int.from_bytes(self.rest[at : at + 3], "big")
            if len(self.rest) - at < 9 + size:
                break
            frames.append(bytearray(self.rest[at : at + 9 + size]))
            at += 9 + size
        self.rest = self.rest[at:]
        return frames


def kind_of(one):
    return one[3]


def stream_of(one):
    return struct.unpack(">I", one[5:9])[0] & 0x7FFFFFFF


class Ended(Exception):
    """The connection ends here; reset: with RST."""

    def __init__(self, reset=False):
        super().__init__()
        self.reset = reset


class Connection:
    def __init__(self, fault, arguments):
        self.fault = fault
        self.arguments = arguments
        self.numbers = [int(a) for a in arguments if a.isdigit()]
        self.passed = 0
        self.frames, self.frames_up = Frames(), Frames()
        self.preface_bytes = 24  # which a client's frames come after
        self.data_frames = {}
        self.to_node = None
        self.next_flip = random.randrange(self.numbers[0]) if "flip" in fault else 0

    def flip(self, payload, begin=0):
        """One bit of each stretch of numbers[0] bytes, counted over the whole connection."""
        while self.next_flip < self.passed + len(payload) - begin:
            at = begin + self.next_flip - self.passed
            payload[at] ^= 1 << random.randrange(8)
            self.next_flip += random.randrange(1, 2 * self.numbers[0])
        self.passed += len(payload) - begin

    def whole_frames(self, piece):
        """What the client sent, up to the end of a frame."""
        begin = b""
        if self.preface_bytes > 0:
            begin, piece = piece[: self.preface_bytes], piece[self.preface_bytes :]
            self.preface_bytes -= len(begin)
        return begin + b"".join(self.frames_up.take(piece))

    async def from_node(self, piece, write):
        """Passes on what the node sent, by write(bytes)."""
        fault, numbers = self.fault, self.numbers
        if fault in ("stall", "trickle", "reset"):
            free = max(0, numbers[0] - self.passed)
            self.passed += len(piece)
            await write(piece[:free])
            piece = piece[free:]
            if piece and fault == "stall":
                await asyncio.Event().wait()
            if piece and fault == "reset":
                raise Ended(reset=True)
            for byte in range(0, len(piece), max(1, numbers[-1] // 10)):
                part = piece[byte : byte + max(1, numbers[-1] // 10)]
                await asyncio.sleep(len(part) / numbers[1])
                await write(part)
        elif fault == "flip":
            piece = bytearray(piece)
            self.flip(piece)
            await write(piece)
        elif fault in ("flip-data", "rst", "goaway", "prefix"):
            for one in self.frames.take(piece):
                await self.of_frame(one, write)
        else:
            await write(piece)

    async def of_frame(self, one, write):
        if kind_of(one) != DATA:
            await write(one)
            return
        stream = stream_of(one)
        count = self.data_frames[stream] = self.data_frames.get(stream, 0) + 1
        if self.fault == "flip-data":
            self.flip(one, 9)
        elif self.fault == "prefix" and count == 1 and len(one) >= 14:
            one[10:14] = struct.pack(">I", 1 << 31)
        elif self.fault == "rst" and count > self.numbers[0]:
            # The node gets the bytes of the connection's window back, which the client will not tell of.
            if len(one) > 9:
                self.to_node(frame(WINDOW_UPDATE, 0, struct.pack(">I", len(one) - 9)))
            if count == self.numbers[0] + 1:
                reset = frame(RST_STREAM, stream, struct.pack(">I", 2))
                self.to_node(reset)
                await write(reset)
            return
        elif self.fault == "goaway" and sum(self.data_frames.values()) > self.numbers[0]:
            await write(frame(GOAWAY, 0, struct.pack(">II", stream, 0)))
            raise Ended()
        await write(one)


async def open_gate(fault, arguments):
    while fault == "gate" and os.path.exists(arguments[0]):
        await asyncio.sleep(0.01)


async def carry(reader, writer, connection, down):
    """One direction, until its end."""
    fault, numbers = connection.fault, connection.numbers
    late = asyncio.Queue()

    async def write(piece):
        if piece:
            writer.write(piece)
            await writer.drain()

    async def deliver_late():
        """What is delayed, in order, each at its time."""
        while True:
            due, piece = await late.get()
            await asyncio.sleep(max(0, due - time.monotonic()))
            if piece is None:
                return
            await write(piece)

    deliverer = asyncio.ensure_future(deliver_late()) if fault == "delay" else None
    try:
        lost_until = 0
        while True:
            # A packet is about this large, for what is lost by the packet.
            piece = await reader.read(1460 * 8 if fault == "delay" else PIECE)
            if not piece:
                break
            await open_gate(fault, connection.arguments)
            if fault == "delay":
                due = time.monotonic() + numbers[0] / 1000
                packets = (len(piece) + 1459) // 1460
                if len(numbers) > 1 and random.random() < 1 - (1 - numbers[1] / 100) ** packets:
                    lost_until = due + 0.2
                await late.put((max(due, lost_until), piece))
            elif fault == "rate":
                await asyncio.sleep(len(piece) / numbers[0])
                await write(piece)
            elif down:
                await connection.from_node(piece, write)
            elif fault == "rst":
                await write(connection.whole_frames(piece)) # so that frames can be put between
            else:
                await write(piece)
        if deliverer:
            await late.put((time.monotonic() + numbers[0] / 1000, None))
            await deliverer
    except Ended as end:
        if end.reset:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
    except OSError:
        pass
    finally:
        if deliverer:
            deliverer.cancel()
        writer.close()


async def serve(target, fault, arguments):
    host, port = target.rsplit(":", 1)

    async def accept(client_reader, client_writer):
        connection = Connection(fault, arguments)
        await open_gate(fault, arguments)
        try:
            node_reader, node_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            client_writer.transport.abort()
            return
        connection.to_node = node_writer.write
        ways = {asyncio.ensure_future(carry(client_reader, node_writer, connection, False)),
                asyncio.ensure_future(carry(node_reader, client_writer, connection, True))}
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for writer in (client_writer, node_writer):
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    print("127.0.0.1:%d" % server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def black_hole():
    """Its queue of connections is full, and the kernel drops further attempts without an answer."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    waiting = []
    for _ in range(4):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(listener.getsockname())
        waiting.append(one)
    print("127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    while True:
        time.sleep(3600)


def main():
    random.seed(int(os.environ.get("SYMWAVE_SEED", "1")))
    fault, arguments = sys.argv[2], sys.argv[3:]
    if fault == "black-hole":
        black_hole()
    asyncio.run(serve(sys.argv[1], fault, arguments))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
