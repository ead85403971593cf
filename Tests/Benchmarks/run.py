"""What Cowork costs, measured beside what it is compared with, in one run. Prints a table and writes out/bench/latest.json.

A figure is a median; a gate is printed as met or unmet and never fails the run: shared machines are noisy, ratios less so.
"""
import base64
import datetime
import json
import os
import pathlib
import platform
import select
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests" / "VMTests"))
from conftest import COWORK, World, wait_until  # noqa: E402

IMAGE = ROOT / "out" / "share" / "cowork" / "images" / "base"
ROUNDS = int(os.environ.get("ROUNDS", "3"))
results = []


def record(name, value, unit, *, against=None, ratio=None, gate=None, met=None, note=""):
    row = {"name": name, "value": round(value, 4), "unit": unit, "against": against, "ratio": ratio and round(ratio, 3),
           "gate": gate, "met": met, "note": note}
    results.append(row)
    print(f"{name:<44} {value:>10.3f} {unit:<6} {'' if ratio is None else f'{ratio:.2f} x {against}':<22} "
          f"{'' if gate is None else gate + (' met' if met else ' UNMET')}", flush=True)


def first_output(command, environment, wanted):
    """Seconds from starting `command` until `wanted` appears in its output; then waits for its end."""
    begun = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    text = b""
    while wanted not in text:
        chunk = os.read(process.stdout.fileno(), 65536)
        if not chunk:
            raise SystemExit(f"ended without {wanted!r}: {text[-2000:]!r}")
        text += chunk
    taken = time.monotonic() - begun
    process.stdout.read()
    process.wait()
    return taken


def bare_qemu(disk, accelerator):
    """The same kernel, initramfs and root, no libvirt, no share, no control channel; the command prints on the console."""
    shutil.copyfile(disk, str(disk) + ".run")
    command = [
        "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-M", "q35",
        "-accel", "kvm" if accelerator == "kvm" else "tcg,thread=multi", "-cpu", "host" if accelerator == "kvm" else "max",
        "-m", "1024", "-smp", "2", "-kernel", str(IMAGE / "vmlinux"), "-initrd", str(IMAGE / "initramfs.cpio"),
        "-append", "quiet loglevel=3 console=ttyS0 panic=-1 reboot=t cryptomgr.notests=1 cowork.alone=/bin/echo,bare-guest-spoke",
        "-drive", f"file={IMAGE / 'root.erofs'},format=raw,if=virtio,readonly=on",
        "-drive", f"file={disk}.run,format=raw,if=virtio", "-serial", "stdio",
    ]
    return first_output(command, dict(os.environ), b"bare-guest-spoke")


def cold_start(world, folder, number):
    name = f"bench-{number}"
    taken = first_output([str(COWORK), "start", str(folder), "--mode", "read-only", "--name", name, "--", "/bin/echo", "guest-spoke"],
                         world.environment, b"guest-spoke")
    world.run("rm", name)
    return taken


class Upgraded:
    """An exec whose connection carries frames, for pings on the control channel."""

    def __init__(self, world, session):
        self.socket = socket.socket(socket.AF_UNIX)
        directory = os.open(world.runtime, os.O_PATH)
        self.socket.connect(f"/proc/self/fd/{directory}/daemon.sock")
        os.close(directory)
        call = {"method": "dev.cowork.Exec", "upgrade": True, "parameters": {"session": session, "process": {"arguments": ["cat"]}}}
        self.socket.sendall(json.dumps(call).encode() + b"\0")
        self.buffer = b""
        while b"\0" not in self.buffer:
            self.buffer += self.socket.recv(65536)
        self.buffer = self.buffer.split(b"\0", 1)[1]

    def ping(self):
        begun = time.perf_counter()
        self.socket.sendall(struct.pack("<IBBHI", 8, 48, 0, 0, 0) + b"12345678")
        while True:
            while len(self.buffer) >= 12 and len(self.buffer) >= 12 + struct.unpack_from("<I", self.buffer)[0]:
                length, kind = struct.unpack_from("<IB", self.buffer)
                self.buffer = self.buffer[12 + length:]
                if kind == 49:
                    return time.perf_counter() - begun
            self.buffer += self.socket.recv(65536)


def unix_socket_round_trips(count):
    here, there = socket.socketpair()
    child = os.fork()
    if child == 0:
        here.close()
        while chunk := there.recv(64):
            there.sendall(chunk)
        os._exit(0)
    there.close()
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        here.sendall(b"x" * 20)
        here.recv(64)
        times.append(time.perf_counter() - begun)
    here.close()
    os.waitpid(child, 0)
    return times


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid):
    return int([line for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")][0].split()[1]) / 1024


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def timed(command, environment):
    begun = time.monotonic()
    subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - begun


def main():
    base = pathlib.Path(tempfile.mkdtemp(prefix="cowork-bench-"))
    world = World(base)
    folder = base / "folder"
    folder.mkdir()
    (folder / "a").write_text("a\n")
    disk = base / "bare.raw"
    with disk.open("wb") as file:
        file.truncate(8 << 30)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-L", "cowork", str(disk)], check=True, env={**os.environ, "PATH": os.environ["PATH"] + ":/sbin:/usr/sbin"})
    try:
        accelerator = world.lines("doctor")[0]["accelerator"]["kind"]
        print(f"accelerator {accelerator}, {os.cpu_count()} processors, {ROUNDS} rounds\n")
        cold_start(world, folder, "warm-up")
        bare, ours = [], []
        for number in range(ROUNDS):
            bare.append(bare_qemu(disk, accelerator))
            ours.append(cold_start(world, folder, number))
        a, b = statistics.median(ours), statistics.median(bare)
        record("bare QEMU to the command's output", b, "s")
        goal = a / b <= 2.5 if accelerator == "tcg" else a <= 0.9
        record("cold start to the command's output", a, "s", against="bare QEMU", ratio=a / b,
               gate="<= 2.5 x" if accelerator == "tcg" else "<= 0.9 s", met=goal)

        session = world.start(folder, "--mode", "read-only", name="bench")
        world.run("exec", session, "--", "true")
        local = [timed(["/bin/true"], world.environment) for _ in range(20)]
        times = [timed([str(COWORK), "exec", session, "--", "true"], world.environment) for _ in range(20)]
        limit = 60 if accelerator == "tcg" else 15
        record("exec round trip, whole process", statistics.median(times) * 1000, "ms", against="/bin/true here",
               ratio=statistics.median(times) / statistics.median(local), gate=f"<= {limit} ms", met=statistics.median(times) * 1000 <= limit)

        upgraded = Upgraded(world, session)
        for _ in range(200):
            upgraded.ping()
        pings = [upgraded.ping() for _ in range(3000)]
        sockets = unix_socket_round_trips(3000)
        p50, p99 = percentile(pings, 0.5) * 1000, percentile(pings, 0.99) * 1000
        record("control round trip, p50", p50, "ms", against="unix socket", ratio=p50 / (percentile(sockets, 0.5) * 1000),
               gate="<= 0.4 ms", met=p50 <= 0.4)
        record("control round trip, p99", p99, "ms", against="unix socket", ratio=p99 / (percentile(sockets, 0.99) * 1000),
               gate="<= 3 ms", met=p99 <= 3)
        upgraded.socket.close()

        data = os.urandom(1 << 20) * 64
        begun = time.monotonic()
        done = subprocess.run([str(COWORK), "exec", session, "--", "cat"], env=world.environment, input=data, stdout=subprocess.PIPE, check=True)
        there = time.monotonic() - begun
        assert done.stdout == data
        begun = time.monotonic()
        subprocess.run(["cat"], input=data, stdout=subprocess.PIPE, check=True)
        here = time.monotonic() - begun
        record("64 MiB through exec and back", 64 / there, "MiB/s", against="cat here", ratio=here / there)

        times = [timed([str(COWORK), "ps"], world.environment) for _ in range(20)]
        record("ps, whole process", statistics.median(times) * 1000, "ms", gate="<= 20 ms", met=statistics.median(times) * 1000 <= 20)

        pid = world.daemon_pid()
        before, begun = processor_seconds(pid), time.monotonic()
        select.select([], [], [], 20)
        share = (processor_seconds(pid) - before) / (time.monotonic() - begun) * 100
        record("daemon, idle with one session: processor", share, "%", gate="< 0.1 %", met=share < 0.1)
        record("daemon, idle with one session: resident", resident(pid), "MiB", gate="<= 40 MiB", met=resident(pid) <= 40)
        guest = world.lines("show", session)[0]["guest"]
        agent = guest["agentResident"] / 2**20
        record("guest agent: resident", agent, "MiB", gate="<= 8 MiB", met=agent <= 8)
        size = sum(path.stat().st_blocks * 512 for path in IMAGE.resolve().iterdir()) / 2**20
        record("base image on disk", size, "MiB", gate="<= 300 MiB", met=size <= 300)
    finally:
        world.close()
        shutil.rmtree(base)

    report = {"date": datetime.date.today().isoformat(), "command": "make bench", "accelerator": accelerator,
              "processors": os.cpu_count(), "kernel": platform.release(), "rounds": ROUNDS, "results": results}
    out = ROOT / "out" / "bench"
    out.mkdir(parents=True, exist_ok=True)
    (out / "latest.json").write_text(json.dumps(report, indent=1) + "\n")
    lines = ["| measured | median | beside | gate |", "|---|---|---|---|"]
    for row in results:
        beside = f"{row['ratio']:.2f} × {row['against']}" if row["ratio"] else ""
        gate = f"{row['gate']} {'met' if row['met'] else '**unmet**'}" if row["gate"] else ""
        lines.append(f"| {row['name']} | {row['value']:.3g} {row['unit']} | {beside} | {gate} |")
    (out / "latest.md").write_text("\n".join(lines) + "\n")
    print(f"\nwritten: out/bench/latest.json, out/bench/latest.md")


if __name__ == "__main__":
    main()
