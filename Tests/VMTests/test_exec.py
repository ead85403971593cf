"""Commands in a running guest: streams, exit status, terminals, signals."""
import fcntl
import hashlib
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios

import pytest

from conftest import PATIENCE, wait_until


def read_until(descriptor, pattern, seconds=60):
    text = b""
    while not re.search(pattern, text):
        ready, _, _ = select.select([descriptor], [], [], seconds)
        assert ready, f"no {pattern!r} in {text!r}"
        try:
            chunk = os.read(descriptor, 65536)
        except OSError:
            chunk = b""
        assert chunk, f"ended before {pattern!r}: {text!r}"
        text += chunk
    return text


@pytest.mark.parametrize("code", [0, 1, 7, 124, 255])
def test_exit_codes_pass_through(world, guest, code):
    assert world.run("exec", guest, "--", "sh", "-c", f"exit {code}", check=False).returncode == code


def test_a_signal_is_128_plus_n(world, guest):
    assert world.run("exec", guest, "--", "sh", "-c", "kill -TERM $$", check=False).returncode == 128 + 15


def test_not_found_and_not_executable(world, guest, folder):
    assert world.fault("exec", guest, "--", "no-such-command")[0] == 127
    assert world.fault("exec", guest, "--", "/etc/passwd")[0] == 126
    assert world.run("exec", guest, "--", "/bin/true").returncode == 0


def test_streams_are_apart(world, guest):
    done = world.run("exec", guest, "--", "sh", "-c", "echo out; echo err >&2")
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_the_agent_is_an_ordinary_user_who_may_sudo(world, guest):
    assert world.run("exec", guest, "--", "id", "-un").stdout == "agent\n"
    assert world.run("exec", guest, "--", "id", "-u").stdout == "1000\n"
    assert world.run("exec", guest, "--", "sudo", "-n", "id", "-u").stdout == "0\n"
    assert world.run("exec", "-u", "root", guest, "--", "id", "-u").stdout == "0\n"
    assert world.fault("exec", "-u", "nobody-here", guest, "--", "id")[0] != 0


def test_directory_and_environment(world, guest, folder):
    assert world.run("exec", guest, "--", "pwd").stdout.rstrip("\n") == str(folder)
    assert world.run("exec", "-w", "/usr", guest, "--", "pwd").stdout == "/usr\n"
    assert world.run("exec", "-e", "A=b c", "-e", "B=", guest, "--", "sh", "-c", 'echo "$A|$B|$HOME|$USER"').stdout == "b c||/home/agent|agent\n"
    assert world.fault("exec", "-w", "/no/such", guest, "--", "pwd")[0] != 0


def test_arguments_arrive_as_they_are(world, guest):
    arguments = ["", "a b", "-x", "--", "$HOME", "'\"\\", "ü漢🙂", "line\nbreak", "*"]
    done = world.run("exec", guest, "--", "python3", "-c", "import json,sys; print(json.dumps(sys.argv[1:]))", *arguments)
    assert json.loads(done.stdout) == arguments


def test_it_is_a_machine_of_its_own(world, guest):
    boot = world.run("exec", guest, "--", "cat", "/proc/sys/kernel/random/boot_id").stdout
    assert len(boot) == 37 and boot != open("/proc/sys/kernel/random/boot_id").read()
    assert world.run("exec", guest, "--", "hostname").stdout == guest + "\n"
    assert world.run("exec", guest, "--", "sh", "-c", "ls /sys/class/net").stdout.split() == ["lo"]


def test_tools_of_the_base_image(world, guest):
    script = "for t in python3 node git curl rg jq cc make sudo; do command -v $t >/dev/null || echo missing $t; done"
    assert world.run("exec", guest, "--", "sh", "-c", script).stdout == ""


@pytest.mark.parametrize("size", [20_000_000])
def test_bytes_through_and_back(world, guest, size):
    data = os.urandom(size)
    done = world.run("exec", guest, "--", "cat", input=data, text=False)
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()


def test_200_megabytes_arrive_in_order(world, guest, tmp_path):
    block = os.urandom(1 << 20)
    source = tmp_path / "in"
    with source.open("wb") as file:
        for number in range(200):
            file.write(number.to_bytes(8, "little") + block[8:])
    with source.open("rb") as stdin:
        through = world.popen("exec", guest, "--", "cat", stdin=stdin, stdout=subprocess.PIPE)
        digest = hashlib.sha256()
        while chunk := through.stdout.read(1 << 20):
            digest.update(chunk)
        assert through.wait(PATIENCE) == 0
    assert digest.hexdigest() == hashlib.sha256(source.read_bytes()).hexdigest()


def test_a_stalled_reader_stalls_its_writer_alone(world, guest):
    reader, writer = os.pipe()
    stalled = world.popen("exec", guest, "--", "sh", "-c", "head -c 50000000 /dev/zero; echo done >&2", stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert os.read(reader, 1) == b"\0"
    # Nobody reads on; other work in the same guest goes on, and so does the daemon's.
    for _ in range(3):
        assert world.run("exec", guest, "--", "echo", "alive").stdout == "alive\n"
        assert guest in world.sessions()
    written = world.run("exec", guest, "--", "sh", "-c", "pgrep -x head >/dev/null && echo waiting").stdout
    assert written == "waiting\n"
    assert stalled.poll() is None
    total = 1
    while chunk := os.read(reader, 1 << 20):
        total += len(chunk)
    os.close(reader)
    assert total == 50_000_000
    assert stalled.stderr.read() == b"done\n" and stalled.wait(PATIENCE) == 0


def test_input_ends_when_ours_does(world, guest):
    assert world.run("exec", guest, "--", "wc", "-c", input="12345").stdout.strip() == "5"
    assert world.run("exec", guest, "--", "cat").stdout == ""


def test_a_closed_output_ends_the_command_quietly(world, guest):
    done = subprocess.run(f"'{os.fspath(world_binary())}' exec {guest} -- yes | head -n 1", shell=True,
                          env=world.environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout == "y\n" and "cowork:" not in done.stderr
    wait_until(lambda: world.run("exec", guest, "--", "pgrep", "-x", "yes", check=False).returncode == 1, "the end of yes")


def world_binary():
    from conftest import COWORK
    return COWORK


def test_signals_reach_the_command(world, guest):
    script = "trap 'echo got INT; exit 3' INT; tail -f /dev/null & echo ready; wait"
    running = world.popen("exec", guest, "--", "bash", "-c", script, stdout=subprocess.PIPE)
    assert running.stdout.readline() == b"ready\n"
    running.send_signal(signal.SIGINT)
    assert running.stdout.readline() == b"got INT\n"
    assert running.wait(PATIENCE) == 3


def test_a_killed_client_takes_its_command_along(world, guest):
    running = world.popen("exec", guest, "--", "sh", "-c", "echo ready; exec tail -f /dev/null >/dev/null", stdout=subprocess.PIPE)
    assert running.stdout.readline() == b"ready\n"
    running.kill()
    wait_until(lambda: world.run("exec", guest, "--", "pgrep", "-x", "tail", check=False).returncode == 1, "the end of tail")


def test_a_deadline_ends_the_command(world, guest):
    assert world.run("exec", "--time-limit", "1s", guest, "--", "tail", "-f", "/dev/null", check=False).returncode == 124
    assert world.run("exec", "--time-limit", "60s", guest, "--", "true").returncode == 0


def test_a_background_child_does_not_hold_exec(world, guest):
    done = world.run("exec", guest, "--", "sh", "-c", "tail -f /dev/null & echo started", timeout=60)
    assert done.stdout == "started\n"
    assert world.run("exec", guest, "--", "sh", "-c", "tail -f /dev/null >/dev/null & echo $!", timeout=60).stdout.strip().isdigit()
    world.run("exec", guest, "--", "pkill", "-x", "tail")


class Terminal:
    """`cowork exec -t` on a pseudo-terminal of ours."""

    def __init__(self, world, guest, *command, rows=31, columns=77):
        self.controller, terminal = pty.openpty()
        self.resize(rows, columns)
        self.process = world.popen("exec", "-t", guest, "--", *command, stdin=terminal, stdout=terminal, stderr=terminal,
                                   start_new_session=True,
                                   preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.before = termios.tcgetattr(terminal)
        self.terminal = terminal

    def resize(self, rows, columns):
        fcntl.ioctl(self.controller, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.controller, text.encode())

    def expect(self, pattern):
        return read_until(self.controller, pattern.encode())

    def close(self):
        code = self.process.wait(PATIENCE)
        after = termios.tcgetattr(self.terminal)
        os.close(self.terminal)
        os.close(self.controller)
        return code, after


def test_a_terminal_with_size_and_resize(world, guest):
    terminal = Terminal(world, guest, "bash", "--norc", "-i")
    terminal.type("tty; stty size; echo $TERM\n")
    assert b"/dev/pts/" in terminal.expect(r"31 77\r\n")
    terminal.resize(40, 100)
    os.kill(terminal.process.pid, signal.SIGWINCH)
    terminal.type("until [ \"$(stty size)\" = '40 100' ]; do :; done; echo size:$(stty size)\n")
    terminal.expect(r"size:40 100\r\n")
    terminal.type("exit 5\n")
    code, after = terminal.close()
    assert code == 5 and after == terminal.before


def test_control_c_and_control_d_on_a_terminal(world, guest):
    terminal = Terminal(world, guest, "bash", "-c", "echo go; cat; echo after $?; trap 'echo caught' INT; echo now; read x; echo read $?")
    terminal.expect("go")
    terminal.type("words\n\x04")
    terminal.expect("words\r\nafter 0")
    terminal.expect("now")
    terminal.type("\x03")
    terminal.expect("caught")
    terminal.type("x\n")
    terminal.close()


def test_a_terminal_without_one_of_ours(world, guest):
    done = subprocess.run(["script", "-qec", f"'{world_binary()}' exec -t {guest} -- tty", "/dev/null"], env=world.environment,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
    assert "/dev/pts/" in done.stdout


def test_many_at_once(world, guest):
    running = [world.popen("exec", guest, "--", "sh", "-c", f"head -c 300000 /dev/zero | wc -c; echo {number}", stdout=subprocess.PIPE)
               for number in range(12)]
    for number, process in enumerate(running):
        assert process.communicate(timeout=PATIENCE)[0].split() == [b"300000", str(number).encode()]
