"""A name server on port 53 of loopback: name_server.py NAME=ANSWER...

ANSWER is "none" (NXDOMAIN), "silent", or IPv4 addresses with commas between, after "slow," 3 s late. The name "*" is any
other. Prints "listening".
"""
import socket
import struct
import sys
import threading
import time


def name_of(query):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    return ".".join(labels), at + 5


def reply(server, query, client, rules):
    name, end = name_of(query)
    answer = rules.get(name, rules.get("*", "none")).split(",")
    if answer == ["silent"]:
        return
    if answer[0] == "slow":
        time.sleep(3)
        answer = answer[1:]
    wants_ipv4 = struct.unpack(">H", query[end - 4 : end - 2])[0] == 1
    addresses = answer if answer != ["none"] and wants_ipv4 else []
    code = 3 if answer == ["none"] else 0
    message = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(addresses), 0, 0) + query[12:end]
    for address in addresses:
        message += struct.pack(">HHHIH", 0xC00C, 1, 1, 1, 4) + socket.inet_aton(address)
    server.sendto(message, client)


def main():
    rules = dict(argument.split("=", 1) for argument in sys.argv[1:])
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    print("listening", flush=True)
    while True:
        query, client = server.recvfrom(4096)
        threading.Thread(target=reply, args=(server, query, client, rules), daemon=True).start()


main()
