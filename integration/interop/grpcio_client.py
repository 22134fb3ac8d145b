"""The wire contract from outside: a plain grpcio client of a node, with nothing of Symwave but its .proto files.

Needs grpcio, protobuf and blake3 sums from b3sum; the generated modules on PYTHONPATH; SYMWAVE_NODE, a node's address.
"""
import os
import subprocess
import threading
import unittest

import grpc
from grpc.health.v1 import health_pb2
from symwave.v1 import symbol_store_pb2 as pb

NODE = os.environ["SYMWAVE_NODE"]
SERVICE = "/symwave.v1.SymbolStore/"


def b3(value):
    return subprocess.run(["b3sum", "--raw"], input=value, stdout=subprocess.PIPE, check=True).stdout


def trailing(error, key):
    return dict(error.trailing_metadata() or ()).get(key)


class TestNode(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.channel = grpc.insecure_channel(NODE)

        def method(kind, name, request, response):
            return getattr(cls.channel, kind)(SERVICE + name, request_serializer=request.SerializeToString,
                                              response_deserializer=response.FromString)

        cls.store = staticmethod(method("stream_unary", "StoreBatch", pb.StoreBatchRequest, pb.StoreBatchResponse))
        cls.retrieve = staticmethod(
            method("unary_stream", "RetrieveBatch", pb.RetrieveBatchRequest, pb.RetrieveBatchResponse))
        cls.values = staticmethod(
            method("unary_unary", "BatchGetValues", pb.BatchGetValuesRequest, pb.BatchGetValuesResponse))
        cls.info = staticmethod(method("unary_unary", "GetNodeInfo", pb.GetNodeInfoRequest, pb.GetNodeInfoResponse))
        cls.find = staticmethod(method("unary_unary", "FindNode", pb.FindNodeRequest, pb.FindNodeResponse))

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()

    def fails(self, code, call, *arguments, **options):
        with self.assertRaises(grpc.RpcError) as raised:
            answer = call(*arguments, **options)
            if hasattr(answer, "__next__"):
                list(answer)
        self.assertEqual(raised.exception.code(), code)
        return raised.exception

    def stored(self, values):
        """Stores values, two a message; their keys."""
        messages = (pb.StoreBatchRequest(symbols=[pb.StoreSymbol(value=value) for value in values[at:at + 2]])
                    for at in range(0, len(values), 2))
        results = self.store(messages).results
        self.assertEqual([result.key for result in results], [b3(value) for value in values])
        return [result.key for result in results]

    def test_store_and_retrieve(self):
        values = [os.urandom(size) for size in (1, 100, 4096, 65536, 262144)]
        keys = self.stored(values)
        results = self.store(iter([pb.StoreBatchRequest(symbols=[
            pb.StoreSymbol(value=values[0]), pb.StoreSymbol(value=b"x", key=keys[0]), pb.StoreSymbol(value=b"")])])).results
        self.assertEqual([result.outcome for result in results],
                         [pb.StoreResult.ALREADY_STORED, pb.StoreResult.REFUSED, pb.StoreResult.REFUSED])
        self.assertIn("does not hash", results[1].reason)
        unknown = b3(os.urandom(32))
        responses = list(self.retrieve(pb.RetrieveBatchRequest(keys=keys + [unknown], verify=True)))
        self.assertEqual([(s.key, s.value) for r in responses for s in r.symbols], list(zip(keys, values)))
        self.assertEqual([key for r in responses for key in r.missing], [unknown])
        bounded = list(self.retrieve(pb.RetrieveBatchRequest(keys=keys, max_bytes=5000)))
        self.assertEqual([s.key for r in bounded for s in r.symbols], keys[:3])
        self.assertEqual([key for r in bounded for key in r.left_out], keys[3:])
        held = list(self.retrieve(pb.RetrieveBatchRequest(keys=keys + [unknown], keys_only=True)))
        self.assertEqual([key for r in held for key in r.held], keys)
        answer = self.values(pb.BatchGetValuesRequest(keys=[unknown] + keys))
        self.assertEqual([(v.key, v.found, v.value) for v in answer.values],
                         [(unknown, False, b"")] + [(k, True, v) for k, v in zip(keys, values)])

    def test_limits_are_told_and_held(self):
        limits = self.info(pb.GetNodeInfoRequest()).limits
        self.assertEqual(limits.keys_max, 5000)
        error = self.fails(grpc.StatusCode.INVALID_ARGUMENT, self.values, pb.BatchGetValuesRequest(keys=[b"short"]))
        self.assertIn("keys[0]", error.details())
        self.assertIsNone(trailing(error, "grpc-retry-pushback-ms"))
        self.fails(grpc.StatusCode.INVALID_ARGUMENT, self.values, pb.BatchGetValuesRequest())
        self.fails(grpc.StatusCode.INVALID_ARGUMENT, self.retrieve,
                   pb.RetrieveBatchRequest(keys=[bytes(32)] * (limits.keys_max + 1)))
        keys = self.stored([os.urandom(limits.value_bytes_max) for _ in range(17)])
        error = self.fails(grpc.StatusCode.RESOURCE_EXHAUSTED, self.values, pb.BatchGetValuesRequest(keys=keys))
        self.assertIn("message_bytes_max", error.details())
        self.assertIsNone(trailing(error, "grpc-retry-pushback-ms"))  # it does not pass by waiting
        too_large = self.store(iter([pb.StoreBatchRequest(
            symbols=[pb.StoreSymbol(value=bytes(limits.value_bytes_max + 1))])])).results
        self.assertEqual(too_large[0].outcome, pb.StoreResult.REFUSED)

    def test_cancels_and_deadlines(self):
        keys = self.stored([os.urandom(65536) for _ in range(50)])
        for _ in range(20):
            call = self.retrieve(pb.RetrieveBatchRequest(keys=keys))
            next(call)
            call.cancel()
        arrived = threading.Event()

        def slow():
            yield pb.StoreBatchRequest(symbols=[pb.StoreSymbol(value=b"slow")])
            arrived.wait(10)

        self.fails(grpc.StatusCode.DEADLINE_EXCEEDED, self.store, slow(), timeout=0.3)
        arrived.set()
        self.assertEqual(sum(len(r.symbols) for r in self.retrieve(pb.RetrieveBatchRequest(keys=keys))), 50)

    def test_find_node(self):
        nodes = self.find(pb.FindNodeRequest(target=b3(b"node-7"), count=3)).nodes
        self.assertEqual(nodes[0].id, "node-7")
        distances = [int.from_bytes(b3(n.id.encode()), "big") ^ int.from_bytes(b3(b"node-7"), "big") for n in nodes]
        self.assertEqual(distances, sorted(distances))
        self.fails(grpc.StatusCode.INVALID_ARGUMENT, self.find, pb.FindNodeRequest(target=b"x"))

    def test_health_and_what_is_not_there(self):
        check = self.channel.unary_unary("/grpc.health.v1.Health/Check",
                                         request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                                         response_deserializer=health_pb2.HealthCheckResponse.FromString)
        for service in ("", "symwave.v1.SymbolStore", "symwave.v1.SymbolStore/write"):
            self.assertEqual(check(health_pb2.HealthCheckRequest(service=service)).status,
                             health_pb2.HealthCheckResponse.SERVING)
        self.fails(grpc.StatusCode.NOT_FOUND, check, health_pb2.HealthCheckRequest(service="no.such.Service"))
        nothing = self.channel.unary_unary(SERVICE + "NoSuchMethod")
        self.fails(grpc.StatusCode.UNIMPLEMENTED, nothing, b"")
        raw = self.channel.unary_unary(SERVICE + "BatchGetValues")
        for junk in (b"\xff", b"\x0a\xff\xff\xff\xff\x0f", os.urandom(1000)):
            with self.assertRaises(grpc.RpcError) as raised:
                raw(junk)
            self.assertEqual(raised.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        admin = self.channel.unary_unary("/symwave.v1.Admin/Compact")
        self.fails(grpc.StatusCode.UNAUTHENTICATED, admin, b"")

    def test_reflection(self):
        from grpc.reflection.v1alpha import reflection_pb2

        stream = self.channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString)
        answer = next(stream(iter([reflection_pb2.ServerReflectionRequest(list_services="")])))
        self.assertIn("symwave.v1.SymbolStore", [s.name for s in answer.list_services_response.service])


if __name__ == "__main__":
    unittest.main()
