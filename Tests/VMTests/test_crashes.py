"""What dies, and what then: each end has a name, a reason and a next step, and leaves nothing behind."""
import os
import pathlib
import signal
import subprocess

import pytest

from conftest import PATIENCE, World, ours, wait_until


@pytest.fixture(scope="module")
def place(world):
    path = world.base / "crash folder"
    path.mkdir()
    (path / "f").write_text("here\n")
    return path


def process_of(world, name, program):
    """The process of a session, found by what it was started for."""
    id = world.sessions()[name]["id"]
    for pid, line in ours().items():
        if line.split(" ")[1].rsplit("/", 1)[-1].startswith(program):
            if id in line or any(id in os.readlink(fd) for fd in descriptors(pid)) or socket_of(pid, world, id):
                return pid
    raise AssertionError(f"no {program} of {name} in {ours()}")


def descriptors(pid):
    try:
        return [entry for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return []


def socket_of(pid, world, id):
    """True when the process listens on a socket of the session."""
    listening = {line.split()[6] for line in pathlib.Path("/proc/net/unix").read_text().splitlines()[1:]
                 if len(line.split()) > 7 and f"/{id}/" in line.split(None, 7)[7]}
    held = set()
    for fd in descriptors(pid):
        try:
            held.add(os.readlink(fd).removeprefix("socket:[").removesuffix("]"))
        except OSError:
            pass
    return bool(listening & held)


def ended(world, name):
    return wait_until(lambda: (s := world.sessions()[name])["state"] in ("failed", "stopped") and s, f"the end of {name}", 60)


def nothing_left(world, id):
    wait_until(lambda: not (world.runtime / "s" / id).exists(), "the sockets' end")
    wait_until(lambda: not [l for l in ours().values() if id in l], "the processes' end")
    assert not (world.state / "hypervisor" / "machines" / id).exists()


def test_the_daemon_is_killed_while_guests_run(world, guest, folder):
    boot = world.run("exec", guest, "--", "cat", "/proc/sys/kernel/random/boot_id").stdout
    running = world.popen("exec", guest, "--", "sh", "-c", "echo go; read line; echo got $line", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert running.stdout.readline() == b"go\n"
    pid = world.daemon_pid()
    os.kill(pid, signal.SIGKILL)
    # A command that was running does not notice.
    out, _ = running.communicate(b"through\n", timeout=PATIENCE)
    assert out == b"got through\n" and running.returncode == 0
    assert world.run("exec", guest, "--", "cat", "/proc/sys/kernel/random/boot_id").stdout == boot
    assert world.daemon_pid() != pid
    assert world.run("exec", guest, "--", "cat", folder / "a.txt").stdout == "hello\n"


@pytest.mark.parametrize("moment", ["starting", "stopping"])
def test_the_daemon_is_killed_in_between(world, place, moment):
    name = f"killed-{moment}"
    if moment == "starting":
        starting = world.popen("start", place, "--name", name, "--detach", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        pid = world.daemon_pid()
        wait_until(lambda: name in world.sessions(), "the session's record")
        os.kill(pid, signal.SIGKILL)
        starting.wait(PATIENCE)
    else:
        world.start(place, name=name)
        pid = world.daemon_pid()
        stopping = world.popen("stop", name, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: world.sessions()[name]["state"] != "running", "the beginning of the stop")
        os.kill(pid, signal.SIGKILL)
        stopping.wait(PATIENCE)
    session = ended(world, name)
    if session["state"] == "failed":
        assert session["because"]
    nothing_left(world, session["id"])
    world.run("rm", name)


def test_qemu_is_killed(world, place):
    name = world.start(place, name="qemu-killed")
    os.kill(process_of(world, name, "qemu-system"), signal.SIGKILL)
    session = ended(world, name)
    assert session["state"] == "failed" and "QEMU" in session["because"]
    nothing_left(world, session["id"])
    assert world.fault("exec", name, "--", "true")[1]["code"] == "bad-state"
    world.run("rm", name)


def test_the_guest_panics(world, place):
    name = world.start(place, name="panics")
    running = world.popen("exec", "-u", "root", name, "--", "sh", "-c", "echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger", stderr=subprocess.PIPE)
    assert running.wait(PATIENCE) == 125
    assert b"cowork: " in running.stderr.read()
    session = ended(world, name)
    assert session["state"] == "failed"
    shown = world.run("show", name).stdout + world.run("logs", name).stdout
    assert "anic" in shown, shown
    nothing_left(world, session["id"])
    world.run("rm", name)


def test_a_guest_that_never_speaks_hits_the_deadline(tmp_path_factory):
    """A kernel that boots into nothing: `start` ends by itself, says what was last seen, and leaves nothing."""
    base = tmp_path_factory.mktemp("silent-world")
    world = World(base)
    world.configure(accelerator="tcg", boot_silence_seconds=5)
    (base / "folder").mkdir()
    starting = world.popen("start", base / "folder", "--name", "silent", "--detach", stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    id = wait_until(lambda: world.sessions().get("silent", {}).get("id"), "the session's record")
    # Once the machine is made; before that libvirt itself would wait for QEMU.
    wait_until(lambda: any(id in line and '"stage":"guest"' in line for line in (world.state / "daemon.log").read_text().splitlines()),
               "the machine")
    qemu = [p for p, l in ours().items() if "qemu-system" in l and id in l]
    os.kill(qemu[0], signal.SIGSTOP)
    try:
        out, err = starting.communicate(timeout=PATIENCE)
        assert starting.returncode == 125 and out == b""
        assert b"cowork: " in err and b"hint: " in err
        session = world.sessions()["silent"]
        assert session["state"] == "failed" and "5 s" in session["because"]
    finally:
        try:
            os.kill(qemu[0], signal.SIGCONT)
        except ProcessLookupError:
            pass
        world.close()


def test_a_client_that_goes_away_during_start(world, place):
    starting = world.popen("start", place, "--name", "abandoned", "--", "sh", "-c", "tail -f /dev/null", stdout=subprocess.DEVNULL)
    session = wait_until(lambda: world.sessions().get("abandoned"), "the session's record")
    starting.kill()
    ended(world, "abandoned")
    nothing_left(world, session["id"])
    world.run("rm", "abandoned")


def test_a_stop_is_clean_and_a_forced_stop_is_quick(world, place):
    for number, options in enumerate([[], ["--force"]]):
        name = world.start(place, name=f"stops-{number}")
        id = world.sessions()[name]["id"]
        world.run("stop", *options, name)
        assert world.sessions()[name]["state"] == "stopped"
        nothing_left(world, id)
        world.run("stop", name)  # again is fine
        world.run("rm", name)


def test_an_idle_daemon_ends_by_itself(tmp_path_factory):
    base = tmp_path_factory.mktemp("idle-world")
    world = World(base)
    world.configure(idle_exit_seconds=1)
    assert world.lines("ps") == []
    pid = int((world.state / "daemon.lock").read_text().split()[0]) if (world.state / "daemon.lock").read_text().strip() else world.daemon_pid()
    wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "the idle daemon's end", 30)
    assert world.lines("ps") == []
    world.close()


def test_two_clients_start_one_daemon(tmp_path_factory):
    base = tmp_path_factory.mktemp("race-world")
    world = World(base)
    racing = [world.popen("version", "--json", stdout=subprocess.PIPE) for _ in range(3)] + \
             [world.popen("ps", stdout=subprocess.PIPE) for _ in range(6)]
    assert [process.wait(PATIENCE) for process in racing] == [0] * 9
    daemons = [line for line in world.processes().values() if "coworkd" in line.split(" ")[1]]
    assert len(daemons) == 1
    world.close()
