#!/usr/bin/env python3
"""A straightforward client of RetrieveBatch, to measure beside the SDK: fetch_client.py PLAN OUT PIECE_BYTES.

PLAN has "ADDRESS<TAB>INDEX<TAB>KEY (hex)" for each symbol; its value goes to OUT at INDEX x PIECE_BYTES. A thread a node
asks for 16 keys at a time. Nothing is checked and nobody is asked a second time.
"""
import collections
import concurrent.futures
import os
import resource
import sys
import time

import grpc

import symbol_store_pb2 as pb

KEYS_A_REQUEST = 16


def fetch_from(address, pieces, out, piece_bytes):
    got = 0
    index_of = {key: index for index, key in pieces}
    keys = list(index_of)
    with grpc.insecure_channel(address) as channel:
        retrieve = channel.unary_stream(
            "/symwave.v1.SymbolStore/RetrieveBatch",
            request_serializer=pb.RetrieveBatchRequest.SerializeToString,
            response_deserializer=pb.RetrieveBatchResponse.FromString,
        )
        for at in range(0, len(keys), KEYS_A_REQUEST):
            for response in retrieve(pb.RetrieveBatchRequest(keys=keys[at : at + KEYS_A_REQUEST])):
                for symbol in response.symbols:
                    os.pwrite(out, symbol.value, index_of[symbol.key] * piece_bytes)
                    got += len(symbol.value)
    return got


def main():
    plan, out_path, piece_bytes = sys.argv[1], sys.argv[2], int(sys.argv[3])
    nodes = collections.defaultdict(list)
    with open(plan, encoding="ascii") as lines:
        for line in lines:
            address, index, key = line.split()
            nodes[address].append((int(index), bytes.fromhex(key)))
    start = time.monotonic()
    out = os.open(out_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    with concurrent.futures.ThreadPoolExecutor(len(nodes)) as pool:
        got = sum(pool.map(lambda node: fetch_from(node[0], node[1], out, piece_bytes), nodes.items()))
    os.close(out)
    seconds = time.monotonic() - start
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = usage.ru_utime + usage.ru_stime
    print(
        f"mb_per_s={got / seconds / 1e6:.1f} client_cpu_s_per_gb={cpu / got * 1e9:.3f} "
        f"client_peak_mib={usage.ru_maxrss / 1024:.1f}"
    )


main()
