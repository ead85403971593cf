"""The life of a session: start, list, log, stop, and everything that may go wrong on the way."""
import json
import os
import pathlib
import signal
import subprocess

import pytest

from conftest import COWORK, PATIENCE, World, ours, wait_until


def test_a_foreground_command_and_its_end(world, folder):
    done = world.run("start", folder, "--name", "one-shot", "--mode", "read-only", "--", "sh", "-c", "cat a.txt; echo oops >&2; exit 9", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (9, "hello\n", "oops\n")
    session = world.sessions()["one-shot"]
    assert session["state"] == "stopped"
    shown = world.lines("show", "one-shot")[0]
    assert shown["exitStatus"] == 9
    logged = world.run("logs", "one-shot").stdout
    assert "hello" in logged and "oops" in logged
    world.run("rm", "one-shot")
    assert "one-shot" not in world.sessions()


def test_foreground_input(world, folder):
    done = world.run("start", folder, "--name", "counts", "--", "wc", "-c", input="x" * 100_000)
    assert done.stdout.strip() == "100000"
    world.run("rm", "counts")


def test_detached_with_a_command_ends_with_it(world, folder):
    name = world.start(folder, "--", "sh", "-c", "echo working; exit 3")
    assert name
    wait_until(lambda: world.sessions()[name]["state"] == "stopped", "the command's end", PATIENCE)
    assert world.lines("show", name)[0]["exitStatus"] == 3
    assert "working" in world.run("logs", name).stdout
    assert name not in {session["name"] for session in world.lines("ps")}
    world.run("rm", name)


def test_ps_and_show(world, guest, folder):
    session = {s["name"]: s for s in world.lines("ps")}[guest]
    assert session["state"] == "running" and session["folders"] == [{"path": str(folder), "mode": "read-only"}]
    assert session["accelerator"] in ("kvm", "tcg") and session["created"].endswith("Z") and len(session["id"]) == 16
    shown = world.lines("show", guest)[0]
    assert shown["guest"]["memoryTotal"] > 600 << 20 and shown["guest"]["agentResident"] <= 8 << 20
    assert guest in world.run("ps").stdout and all(len(line) <= 80 for line in world.run("ps").stdout.splitlines())


def test_logs_follow(world, folder):
    name = world.start(folder, "--", "sh", "-c", "echo first; until [ -e go ]; do :; done; echo last")
    following = world.popen("logs", "-f", name, stdout=subprocess.PIPE, text=True)
    seen = []
    for line in following.stdout:
        seen.append(line)
        if "first" in line:
            (folder / "go").touch()
    assert following.wait(PATIENCE) == 0
    text = "".join(seen)
    assert text.index("first") < text.index("last")
    (folder / "go").unlink()
    world.run("rm", name)


def test_resources_are_honoured(world, folder):
    name = world.start(folder, "--cpus", "1", "--memory", "400M", "--disk", "300M")
    assert world.run("exec", name, "--", "nproc").stdout == "1\n"
    total = int(world.run("exec", name, "--", "awk", "/MemTotal/ { print $2 }", "/proc/meminfo").stdout)
    assert 300_000 < total < 410_000
    size = int(world.run("exec", name, "--", "sh", "-c", "df --output=size -k / | tail -n 1").stdout)
    assert 200_000 < size < 310_000
    # The disk is the guest's: full means full there, and nowhere else.
    full = world.run("exec", name, "--", "sh", "-c", "head -c 400000000 /dev/zero > /home/agent/big; echo $?; rm /home/agent/big", check=False)
    assert full.stdout != "0\n" and "No space" in full.stderr
    # A guest that powers itself off has stopped, not failed.
    world.run("exec", "-u", "root", name, "--", "sh", "-c", "kill -TERM 1", check=False)
    wait_until(lambda: world.sessions()[name]["state"] in ("stopped", "failed"), "the guest's end", 60)
    world.run("rm", name)


def test_two_folders(world, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_text(name)
    tmp_path.chmod(0o755)
    done = world.run("start", tmp_path / "one", tmp_path / "two", "--name", "both", "--mode", "read-only", "--", "sh", "-c", f"cat f '{tmp_path}/two/f'")
    assert done.stdout == "onetwo"
    world.run("rm", "both")


def test_taken_names_and_bad_names(world, guest, folder):
    code, error = world.fault("start", folder, "--name", guest, "--detach")
    assert code == 1 and error["code"] == "name-taken"
    assert world.fault("start", folder, "--name", "../x", "--detach")[0] == 2


def test_unknown_sessions(world):
    for command in (["exec", "nobody", "--", "true"], ["show", "nobody"], ["stop", "nobody"], ["rm", "nobody"], ["logs", "nobody"]):
        code, error = world.fault(*command)
        assert code == 4 and error["code"] == "not-found"


def test_a_session_that_runs_is_not_removed_by_accident(world, guest):
    assert world.fault("rm", guest)[1]["code"] == "bad-state"
    assert world.run("exec", guest, "--", "true").returncode == 0


BAD_FOLDERS = {
    "nothing there": lambda base: base / "nothing",
    "a file": lambda base: make(base / "file", text="x"),
    "the root": lambda base: pathlib.Path("/"),
    "the state directory": lambda base: base.parent / "state",
    "inside the state directory": lambda base: base.parent / "state" / "cowork",
    "the runtime directory": lambda base: base.parent / "run" / "cowork",
    "what contains the state": lambda base: base.parent,
    "a link to the root": lambda base: link(base / "to-root", "/"),
    "a link to the state": lambda base: link(base / "to-state", base.parent / "state" / "cowork"),
    "the kernel's files": lambda base: pathlib.Path("/proc/self"),
    "the system": lambda base: pathlib.Path("/usr"),
    "a newline": lambda base: make(base / "new\nline"),
    "an escape": lambda base: make(base / "\x1b[2Jgone"),
}


def make(path, text=None):
    if text is None:
        path.mkdir(exist_ok=True)
    else:
        path.write_text(text)
    return path


def link(path, target):
    if not path.is_symlink():
        path.symlink_to(target)
    return path


@pytest.mark.parametrize("what", BAD_FOLDERS)
def test_folders_that_are_refused(world, what):
    base = world.base / "bad"
    base.mkdir(exist_ok=True)
    before = set(world.sessions())
    code, error = world.fault("start", BAD_FOLDERS[what](base), "--detach")
    assert error["code"] in ("bad-folder", "not-found", "usage") and code in (1, 2, 4)
    assert "\x1b" not in json.dumps(error, ensure_ascii=False)
    assert set(world.sessions()) == before
    left_overs(world, before)


def left_overs(world, names):
    ids = {session["id"] for session in world.sessions().values() if session["state"] in ("running", "starting", "stopping")}
    sockets = world.runtime / "s"
    assert not sockets.exists() or {path.name for path in sockets.iterdir()} <= ids


@pytest.mark.parametrize("name", ["it's", 'say "hi"', "<tag attr='&amp;'>", "a,b=c;d", "%s %n $HOME", "-rf", "ü漢🙂", "trailing "])
def test_hostile_folder_names_work(world, name):
    place = world.base / "hostile" / name
    place.mkdir(parents=True)
    (place / "f").write_text("inside\n")
    done = world.run("start", place, "--name", "hostile", "--mode", "read-only", "--memory", "256M", "--", "sh", "-c", 'cat "$1/f"', "sh", place)
    assert done.stdout == "inside\n"
    world.run("rm", "hostile")


def test_image_missing_and_image_damaged(tmp_path_factory):
    base = tmp_path_factory.mktemp("image-world")
    world = World(base)
    store = base / "images"
    store.mkdir()
    folder = base / "folder"
    folder.mkdir()
    real = pathlib.Path(os.path.realpath(COWORK.parent.parent / "share" / "cowork" / "images" / "base"))
    world.configure(images=store, accelerator="tcg", image="other")
    try:
        code, error = world.fault("start", folder, "--detach")
        assert code == 125 and error["code"] == "image-missing"
        # A copy works; the same copy with one bit changed does not.
        subprocess.run(["cp", "-r", "--reflink=auto", "--sparse=always", real, store / real.name], check=True)
        (store / "base").symlink_to(real.name)
        restart(world)
        world.configure(images=store, accelerator="tcg", image="base")
        restart(world)
        assert world.run("start", folder, "--name", "whole", "--", "echo", "booted").stdout == "booted\n"
        with open(store / real.name / "root.erofs", "r+b") as file:
            file.seek(10_000_000)
            byte = file.read(1)
            file.seek(10_000_000)
            file.write(bytes([byte[0] ^ 1]))
        code, error = world.fault("start", folder, "--detach")
        assert code == 125 and error["code"] == "image-damaged" and "root.erofs" in error["message"]
        assert world.run("image", "verify", "base", "--store", store, check=False).returncode == 125
    finally:
        world.close()


def restart(world):
    pid = world.daemon_pid()
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "the daemon's end")


def test_no_space(tmp_path_factory):
    """A state directory on a file system that is too small for a machine: said at once, nothing left."""
    base = tmp_path_factory.mktemp("small-world")
    world = World(base)
    (base / "folder").mkdir()
    (base / "state").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", base / "state"], check=True)
    try:
        world.configure(accelerator="tcg")
        code, error = world.fault("start", base / "folder", "--detach")
        assert code == 125 and error["code"] == "no-space", error
        assert all(session["state"] == "failed" for session in world.sessions().values())
        assert not list((world.state / "hypervisor" / "machines").glob("*")) if (world.state / "hypervisor" / "machines").exists() else True
    finally:
        world.close()
        subprocess.run(["umount", base / "state"], check=True)


def test_a_socket_path_that_is_taken(tmp_path_factory):
    base = tmp_path_factory.mktemp("taken-world")
    world = World(base)
    world.runtime.mkdir(mode=0o700)
    (world.runtime / "daemon.sock").write_text("not a socket")
    (base / "folder").mkdir()
    code, error = world.fault("start", base / "folder", "--detach")
    assert code == 5 and error["code"] == "no-daemon" and "daemon.sock" in error["message"]
    assert (world.runtime / "daemon.sock").read_text() == "not a socket"
    (world.runtime / "daemon.sock").unlink()
    assert world.run("ps").returncode == 0
    world.close()


def test_a_program_that_only_its_owner_can_reach(tmp_path_factory):
    """A clone in a private directory: helpers that run as other users must still start."""
    base = tmp_path_factory.mktemp("private-program")
    os.chmod(base, 0o700)
    for part in ("bin", "libexec"):
        subprocess.run(["cp", "-r", COWORK.parent.parent / part, base / part], check=True)
    (base / "share" / "cowork").mkdir(parents=True)
    (base / "share" / "cowork" / "images").symlink_to(os.path.realpath(COWORK.parent.parent / "share" / "cowork" / "images"))
    world = World(base)
    world.program = base / "bin" / "cowork"
    world.configure(accelerator="tcg")
    (base / "folder").mkdir()
    try:
        assert world.run("start", base / "folder", "--name", "private", "--", "echo", "here").stdout == "here\n"
    finally:
        world.close()


def test_a_long_home(tmp_path_factory, folder):
    base = tmp_path_factory.mktemp("long") / ("a-very-long-directory-name-" * 6) / ("and-another-" * 8)
    base.mkdir(parents=True)
    world = World(base)
    world.configure(accelerator="tcg")
    try:
        assert world.run("start", folder, "--name", "far", "--mode", "read-only", "--", "cat", "a.txt").stdout == "hello\n"
    finally:
        world.close()
