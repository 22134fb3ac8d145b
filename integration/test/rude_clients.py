"""Clients that do not keep to HTTP/2, or keep to it and do nothing: rude_clients.py HOST:PORT KIND [SECONDS [ADDRESS]].

ADDRESS is where they come from, as 127.0.0.2.

Prints "closed" when the node has ended the connection or the call, "open" when it has not after SECONDS (60). With
"rapid-reset" 10,000 calls a second are begun and reset at once, as far as the node takes them, for SECONDS; it prints how
many were. With "open-calls" 32 connections have 1,000 calls each that send nothing, for SECONDS.
"""
import socket
import struct
import sys
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


SETTINGS = frame(4, 0, 0, b"")


def headers(method):
    """A header block without compression: each field is a literal with a new name."""
    fields = [(":method", "POST"), (":scheme", "http"), (":path", method), (":authority", "node"),
              ("content-type", "application/grpc"), ("te", "trailers")]
    block = b""
    for name, value in fields:
        block += b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
    return block


CALL = frame(1, 4, 1, headers("/symwave.v1.SymbolStore/GetNodeInfo"))
KINDS = {
    "nothing": b"",
    "half-preface": PREFACE[:10],
    "http1": b"GET / HTTP/1.1\r\nHost: node\r\n\r\n",
    "tls-hello": bytes.fromhex("16030100c8010000c40303") + bytes(190),
    "garbage": bytes(range(256)) * 8,
    "preface-only": PREFACE,
    "settings-only": PREFACE + SETTINGS,
    "half-headers": PREFACE + SETTINGS + CALL[:20],
    "headers-without-end": PREFACE + SETTINGS + frame(1, 0, 1, headers("/symwave.v1.SymbolStore/GetNodeInfo")),
    "call-without-message": PREFACE + SETTINGS + CALL,
    "half-message": PREFACE + SETTINGS + CALL + frame(0, 0, 1, b"\0\0\0\0\x20half"),
    "huge-length": PREFACE + SETTINGS + CALL + frame(0, 0, 1, b"\0\xff\xff\xff\xffx"),
    "long-header": PREFACE + SETTINGS + frame(1, 4, 1, headers("/x") + (b"\0\x01a\x7f\xff\x7f" + b"b" * 16384)[:16000]),
    "pings": PREFACE + SETTINGS + frame(6, 0, 0, bytes(8)) * 20000,
    "settings-flood": PREFACE + SETTINGS * 20000,
}


def rapid_reset(connection, until):
    """Begins calls with a whole request for a key, and resets each at once; 100 every 10 ms."""
    request = b"\x0a\x20" + bytes(32)
    data = struct.pack(">BI", 0, len(request)) + request
    block = headers("/symwave.v1.SymbolStore/RetrieveBatch")
    count, begin = 0, time.monotonic()
    connection.sendall(PREFACE + SETTINGS)
    connection.settimeout(0)
    pending = b""
    try:
        while time.monotonic() < until:
            try:
                while connection.recv(1 << 20):
                    pass
            except BlockingIOError:
                pass
            if count / 10000 > time.monotonic() - begin or len(pending) > 1 << 20:
                time.sleep(0.005)
            else:
                for stream in range(2 * count + 1, 2 * count + 201, 2):
                    pending += frame(1, 4, stream, block) + frame(0, 1, stream, data) + frame(3, 0, stream, struct.pack(">I", 8))
                count += 100
            try:
                pending = pending[connection.send(pending):]
            except BlockingIOError:
                pass
    except OSError:
        pass
    print(count)


def open_calls(connect, seconds):
    """Begins calls without a message, and holds them."""
    block = headers("/symwave.v1.SymbolStore/RetrieveBatch")
    calls = b"".join(frame(1, 4, stream, block) for stream in range(1, 2001, 2))
    connections = [connect() for _ in range(32)]
    for connection in connections:
        connection.sendall(PREFACE + SETTINGS + calls)
    time.sleep(seconds)


def main():
    host, port = sys.argv[1].rsplit(":", 1)
    kind = sys.argv[2]
    until = time.monotonic() + (float(sys.argv[3]) if len(sys.argv) > 3 else 60)
    source = (sys.argv[4], 0) if len(sys.argv) > 4 else None

    def connect():
        return socket.create_connection((host, int(port)), 10, source)

    if kind == "open-calls":
        open_calls(connect, float(sys.argv[3]))
        return
    connection = connect()
    if kind == "rapid-reset":
        rapid_reset(connection, until)
        return
    connection.settimeout(1)
    try:
        if kind == "slowly":
            for byte in PREFACE * 100:
                connection.sendall(bytes([byte]))
                time.sleep(0.2)
                if time.monotonic() > until:
                    break
        else:
            connection.sendall(KINDS[kind])
    except OSError:
        print("closed")
        return
    buffer = b""
    while time.monotonic() < until:
        try:
            more = connection.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            more = b""
        if not more:
            print("closed")
            return
        buffer += more
        while len(buffer) >= 9 and len(buffer) >= 9 + int.from_bytes(buffer[:3], "big"):
            length, what, flags = int.from_bytes(buffer[:3], "big"), buffer[3], buffer[4]
            stream = int.from_bytes(buffer[5:9], "big")
            if stream == 1 and (what == 3 or (what == 1 and flags & 1)):  # RST_STREAM, or trailers
                print("closed")
                return
            buffer = buffer[9 + length:]
    print("open")


main()
