"""A node of another age, before a real one: other_age.py HOST:PORT newer|older

Prints "127.0.0.1:PORT" and serves RetrieveBatch there, with what HOST:PORT answers. "newer" adds fields that nobody knows
yet to each message; "older" knows keys only, answers one symbol a message, and has no other method.
"""
import sys
from concurrent import futures

import grpc

METHOD = "/symwave.v1.SymbolStore/RetrieveBatch"
UNKNOWN = b"\xc2\x3e\x05hello" + b"\xc8\x3e\x2a" + b"\xd1\x3e" + bytes(8)


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at


def fields(data):
    """Field number and whole bytes of each field."""
    at = 0
    while at < len(data):
        begin = at
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == 0:
            _, at = varint(data, at)
        elif kind == 2:
            size, at = varint(data, at)
            at += size
        else:
            at += 8 if kind == 1 else 4
        yield tag >> 3, data[begin:at]


class Service(grpc.GenericRpcHandler):
    def __init__(self, target, age):
        self.age = age
        self.retrieve = grpc.insecure_channel(target).unary_stream(METHOD)

    def service(self, details):
        if details.method != METHOD:
            return None
        return grpc.unary_stream_rpc_method_handler(self.answer)

    def answer(self, request, context):
        if self.age == "older":
            request = b"".join(field for number, field in fields(request) if number == 1)
        call = self.retrieve(request, timeout=60)
        context.add_callback(call.cancel)
        try:
            for message in call:
                if self.age == "newer":
                    yield message + UNKNOWN
                    continue
                for number, field in fields(message):
                    if number == 1:
                        yield field
        except grpc.RpcError:
            pass


def main():
    server = grpc.server(futures.ThreadPoolExecutor(16))
    server.add_generic_rpc_handlers((Service(sys.argv[1], sys.argv[2]),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print("127.0.0.1:%d" % port, flush=True)
    server.wait_for_termination()


main()
