"""Loads a wall into a network namespace of its own, sends one packet per line of a list, prints which got past it.

Run as root under `unshare -n`. Arguments: the nft text, and the list: ADDRESS tcp|udp|icmp PORT per line.
"""
import ipaddress
import json
import socket
import struct
import subprocess
import sys
import time

OBSERVER = """table inet observer {
 set seen4 { type ipv4_addr . inet_proto . inet_service; flags dynamic; size 65535; }
 set seen6 { type ipv6_addr . inet_proto . inet_service; flags dynamic; size 65535; }
 chain past { type filter hook prerouting priority 0; policy accept;
  iifname "vb" meta mark 0x1 add @seen4 { ip daddr . meta l4proto . th dport }
  iifname "vb" meta mark 0x1 add @seen6 { ip6 daddr . meta l4proto . th dport }
 }
}"""


def run(*words, text=None):
    return subprocess.run(words, input=text, text=True, capture_output=True, check=True).stdout


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(address, kind, port, mac):
    target = ipaddress.ip_address(address)
    if kind == "tcp":
        body, number = struct.pack("!HHIIBBHHH", 40000, port, 1, 0, 5 << 4, 2, 65535, 0, 0), 6
    elif kind == "udp":
        body, number = struct.pack("!HHHH", 40000, port, 8, 0), 17
    else:
        body, number = struct.pack("!BBHHH", 8 if target.version == 4 else 128, 0, 0, 1, 1), 1 if target.version == 4 else 58
    if target.version == 4:
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, 0, 64, number, 0,
                           socket.inet_aton("10.200.0.2"), target.packed)
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        return mac + b"\x02\0\0\0\0\x09\x08\x00" + head + body
    head = struct.pack("!IHBB16s16s", 6 << 28, len(body), number, 64,
                       ipaddress.ip_address("fd99::2").packed, target.packed)
    return mac + b"\x02\0\0\0\0\x09\x86\xdd" + head + body


def seen():
    found = set()
    for name in ("seen4", "seen6"):
        listed = json.loads(run("nft", "-j", "list", "set", "inet", "observer", name))
        for entry in listed["nftables"]:
            for element in entry.get("set", {}).get("elem", []):
                parts = element.get("elem", {}).get("val", element) if "elem" in element else element
                parts = parts["concat"]
                found.add((parts[0], parts[1], parts[2]))
    return found


def main(wall, listed):
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "va", "type", "veth", "peer", "name", "vb")
    for link in ("va", "vb"):
        run("ip", "link", "set", link, "up")
    run("nft", "-f", "-", text=OBSERVER)
    run("nft", "-f", wall)
    # /sys shows the namespace it was mounted in, not this one.
    mac = bytes.fromhex(json.loads(run("ip", "-j", "link", "show", "vb"))[0]["address"].replace(":", ""))
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    link.bind(("va", 0))
    with open(listed) as file:
        rows = [line.split() for line in file if line.strip()]
    for address, kind, port in rows:
        link.send(packet(address, kind, int(port), mac))
    # veth delivers in softirq: the last packet is there when the counters stand still.
    deadline = time.monotonic() + 5
    before = None
    while time.monotonic() < deadline:
        now = run("ip", "-s", "-j", "link", "show", "vb")
        if now == before:
            break
        before = now
    for address, kind, port in sorted(seen(), key=str):
        print(address, kind, port)


main(*sys.argv[1:])
