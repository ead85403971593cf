"""The daemon's API as any language may speak it: plain NUL-terminated JSON, and PyPI's varlink client."""
import base64
import json
import os
import pathlib
import socket
import struct

import pytest
import varlink

from conftest import ROOT


class Connection:
    def __init__(self, world):
        self.socket = socket.socket(socket.AF_UNIX)
        directory = os.open(world.runtime, os.O_PATH)
        self.socket.connect(f"/proc/self/fd/{directory}/daemon.sock")
        os.close(directory)
        self.socket.settimeout(120)
        self.rest = b""

    def send(self, raw):
        self.socket.sendall(raw)

    def call(self, method, parameters=None, **flags):
        self.send(json.dumps({"method": method, "parameters": parameters or {}, **flags}).encode() + b"\0")
        return self.reply()

    def reply(self):
        while b"\0" not in self.rest:
            chunk = self.socket.recv(65536)
            if not chunk:
                return None
            self.rest += chunk
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)


@pytest.fixture
def connection(world, guest):
    made = Connection(world)
    yield made
    made.socket.close()


def test_the_pypi_client_lists_and_describes(world, guest):
    directory = os.open(world.runtime, os.O_PATH)
    try:
        with varlink.Client.new_with_address(f"unix:/proc/self/fd/{directory}/daemon.sock") as client:
            info = client.get_interfaces()
            assert "dev.cowork" in info
            with client.open("dev.cowork") as cowork:
                sessions = cowork.List(all=True)["sessions"]
                assert guest in {session["name"] for session in sessions}
                with pytest.raises(varlink.VarlinkError) as failed:
                    cowork.Show(session="nobody")
                assert failed.value.error() == "dev.cowork.Fault" and failed.value.parameters()["code"] == "not-found"
    finally:
        os.close(directory)


def test_the_pypi_client_runs_a_command(world, guest):
    directory = os.open(world.runtime, os.O_PATH)
    try:
        with varlink.Client.new_with_address(f"unix:/proc/self/fd/{directory}/daemon.sock") as client, client.open("dev.cowork") as cowork:
            out, status = b"", None
            for part in cowork.Exec(session=guest, process={"arguments": ["tr", "a-z", "A-Z"]}, stdin=base64.b64encode(b"shout").decode(), _more=True):
                out += base64.b64decode(part.get("stdout") or "")
                if part.get("exitStatus") is not None:
                    status = part["exitStatus"]
            assert (out, status) == (b"SHOUT", 0)
    finally:
        os.close(directory)


def test_the_interface_is_the_file_in_the_repository(connection):
    reply = connection.call("org.varlink.service.GetInterfaceDescription", {"interface": "dev.cowork"})
    assert reply["parameters"]["description"] == (ROOT / "docs" / "api" / "dev.cowork.varlink").read_text()


def test_exec_without_upgrade(connection, guest):
    out, err = b"", b""
    connection.send(json.dumps({"method": "dev.cowork.Exec", "more": True, "parameters": {
        "session": guest, "process": {"arguments": ["sh", "-c", "head -c 300000 /dev/zero; echo e >&2; exit 4"]}}}).encode() + b"\0")
    while True:
        reply = connection.reply()
        assert reply and "error" not in reply, reply
        out += base64.b64decode(reply["parameters"].get("stdout") or "")
        err += base64.b64decode(reply["parameters"].get("stderr") or "")
        if not reply.get("continues"):
            break
    assert (len(out), err, reply["parameters"]["exitStatus"]) == (300000, b"e\n", 4)
    assert connection.reply() is None  # the connection ends with the call


def test_exec_with_upgrade_carries_frames(connection, guest):
    reply = connection.call("dev.cowork.Exec", {"session": guest, "process": {"arguments": ["cat"]}}, upgrade=True)
    assert "error" not in reply
    kinds = {}
    def frame(kind, channel=0, payload=b""):
        connection.send(struct.pack("<IBBHI", len(payload), kind, channel, 0, 0) + payload)
    frame(34, 0, b"hello")
    frame(35, 0)
    buffer, output, status = connection.rest, b"", None
    while status is None:
        while len(buffer) < 12 or len(buffer) < 12 + struct.unpack_from("<I", buffer)[0]:
            chunk = connection.socket.recv(65536)
            assert chunk
            buffer += chunk
        length, kind, channel, _, _ = struct.unpack_from("<IBBHI", buffer)
        payload, buffer = buffer[12:12 + length], buffer[12 + length:]
        kinds[kind] = kinds.get(kind, 0) + 1
        if kind == 34:
            output += payload
        if kind == 39:
            status = payload[1]
    assert (output, status) == (b"hello", 0)


NONSENSE = {
    "not JSON": b"hello\0",
    "not an object": b"[1]\0",
    "no method": b"{}\0",
    "a number for a method": b'{"method": 5}\0',
    "an unknown interface": b'{"method": "org.example.Do"}\0',
    "an unknown method": b'{"method": "dev.cowork.Explode"}\0',
    "a wrong parameter": b'{"method": "dev.cowork.Show", "parameters": {"session": 5}}\0',
    "a missing parameter": b'{"method": "dev.cowork.Show"}\0',
    "invalid UTF-8": b'{"method": "\xff\xfe"}\0',
    "deep nesting": b"[" * 20_000 + b"\0",
}


@pytest.mark.parametrize("what", NONSENSE)
def test_nonsense_is_refused_and_harms_nobody(world, connection, guest, what):
    connection.send(NONSENSE[what])
    reply = connection.reply()
    assert reply is None or "error" in reply
    assert guest in world.sessions()


def test_an_endless_message_is_cut_off(world, connection, guest):
    with pytest.raises(OSError):
        for _ in range(200):
            connection.send(b"x" * (1 << 20))
    assert guest in world.sessions()


def test_hostile_strings_do_not_travel(connection, world, folder):
    for session in ("../../etc", "a\nb", "\x1b[31m", "x" * 100_000, ""):
        reply = connection.call("dev.cowork.Show", {"session": session})
        assert reply["error"] == "dev.cowork.Fault"
        assert "\x1b" not in reply["parameters"]["message"] and len(reply["parameters"]["message"]) < 6000


def test_processes_are_checked(connection, guest):
    for process in ({"arguments": []}, {"arguments": [""]}, {"arguments": ["a\0b"]}, {"arguments": ["true"], "environment": ["x\0=1"]},
                    {"arguments": ["true"], "rows": -1}, {"arguments": ["true"], "deadlineMilliseconds": -5},
                    {"arguments": ["x" * 200_000]}):
        reply = Connection.call(connection, "dev.cowork.Exec", {"session": guest, "process": process}, upgrade=True)
        assert reply["error"] == "dev.cowork.Fault", process
