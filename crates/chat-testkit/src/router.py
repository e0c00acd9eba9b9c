"""A router between two machines, as a process: it loses, delays and refuses packets on command.

It makes two TUN devices, one for each machine, and answers the names they look up. Commands come
as lines, such as `dead 1`, `mtu 1280` or `loss 0.3`, and are answered by `ok`. With a `rate`, in
bits a second, packets wait their turn in each direction; who finds more than `queue` seconds of
them there is dropped.
"""

import fcntl
import heapq
import os
import random
import select
import socket
import struct
import sys
import time

TUNSETIFF = 0x400454CA
TUN_WITHOUT_HEADER = 0x1001
NAMESERVER = socket.inet_aton("10.77.53.53")

settings = {
    "dead": 0,
    "refuse": 0,
    "mtu": 65535,
    "loss": 0.0,
    "delay": 0.0,
    "rate": 0.0,
    "queue": 0.05,
    "name": "10.77.0.1",
}


def device(name):
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH", name.encode(), TUN_WITHOUT_HEADER))
    return descriptor


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(protocol, source, target, payload):
    length = 20 + len(payload)
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length, 0, 0, 64, protocol, 0, source, target)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def reset_for(data):
    """The RST with which a firewall answers a segment (RFC 9293, section 3.10.7.1)."""
    source, target, segment = data[12:16], data[16:20], data[20:]
    if data[9] != 6 or segment[13] & 0x04:
        return None
    length = len(segment) - (segment[12] >> 4) * 4 + bool(segment[13] & 0x03)
    sequence, acknowledged = struct.unpack("!II", segment[4:12])
    if segment[13] & 0x10:
        numbers, flags = (acknowledged, 0), 0x04
    else:
        numbers, flags = (0, (sequence + length) & 0xFFFFFFFF), 0x14
    ports = segment[2:4] + segment[0:2]
    reset = ports + struct.pack("!IIBBHHH", *numbers, 0x50, flags, 0, 0, 0)
    pseudo = target + source + struct.pack("!BBH", 0, 6, len(reset))
    reset = reset[:16] + struct.pack("!H", checksum(pseudo + reset)) + reset[18:]
    return packet(6, target, source, reset)


def answer_for(data):
    """The answer to a question for a name: the one address that there is."""
    source, query = data[12:16], data[28:]
    end = query.index(0, 12) + 5
    is_address = query[end - 4 : end - 2] == b"\0\1"
    reply = query[:2] + struct.pack("!HHHHH", 0x8180, 1, int(is_address), 0, 0) + query[12:end]
    if is_address:
        reply += b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 1, 4) + socket.inet_aton(settings["name"])
    ports = data[22:24] + data[20:22]
    return packet(17, NAMESERVER, source, ports + struct.pack("!HH", 8 + len(reply), 0) + reply)


def obey(line):
    words = line.split()
    if words:
        kind = type(settings[words[0]])
        settings[words[0]] = kind(words[1])
        print("ok", flush=True)


def main():
    devices = [device(name) for name in sys.argv[1:3]]
    print("ok", flush=True)
    other = {devices[0]: devices[1], devices[1]: devices[0]}
    late = []
    count = 0
    free = {device: 0.0 for device in devices}  # When what is ahead has left.
    commands = b""
    while True:
        wait = max(0.0, late[0][0] - time.monotonic()) if late else None
        ready, _, _ = select.select([0, *devices], [], [], wait)
        if 0 in ready:
            read = os.read(0, 4096)
            if not read:
                return
            commands += read
            *lines, commands = commands.split(b"\n")
            for line in lines:
                obey(line.decode())
        for incoming in devices:
            if incoming not in ready:
                continue
            for _ in range(64):
                try:
                    data = os.read(incoming, 65536)
                except OSError:
                    break
                if data[0] >> 4 != 4 or settings["dead"]:
                    continue
                if settings["refuse"]:
                    back = reset_for(data)
                    if back:
                        send(incoming, back)
                    continue
                if len(data) > settings["mtu"] or random.random() < settings["loss"]:
                    continue
                outgoing = other[incoming]
                if data[16:20] == NAMESERVER:
                    data, outgoing = answer_for(data), incoming
                due = time.monotonic()
                if settings["rate"]:
                    begin = max(due, free[outgoing])
                    if begin - due > settings["queue"]:
                        continue
                    due = free[outgoing] = begin + 8 * len(data) / settings["rate"]
                count += 1
                heapq.heappush(late, (due + settings["delay"], count, outgoing, data))
        while late and late[0][0] <= time.monotonic():
            _, _, outgoing, data = heapq.heappop(late)
            send(outgoing, data)


def send(outgoing, data):
    try:
        os.write(outgoing, data)
    except OSError:
        pass  # The device is down for a moment.


main()
