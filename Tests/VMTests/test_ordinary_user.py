"""The same product for a user without privileges: what he starts, he owns, and nobody else can touch."""
import json
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from conftest import COWORK, PATIENCE, World, ours, wait_until

UID = 4321
GROUPS = [4321, 4322, 4323]


class UserWorld(World):
    """Runs everything as another uid, with supplementary groups as a desktop user has, on a copy of the program."""

    def popen(self, *arguments, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen([str(self.program), *map(os.fspath, arguments)], env=self.environment, cwd="/",
                                user=UID, group=UID, extra_groups=GROUPS, **options)

    def run(self, *arguments, check=True, text=True, timeout=PATIENCE, input=None, **options):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": text}
        if input is not None:
            pipes["stdin"] = subprocess.PIPE
        process = self.popen(*arguments, **pipes)
        out, err = process.communicate(input, timeout=timeout)
        done = subprocess.CompletedProcess(arguments, process.returncode, out, err)
        if check and done.returncode != 0:
            raise AssertionError(f"cowork {' '.join(map(str, arguments))}: exit {done.returncode}\n{out}\n{err}")
        return done


@pytest.fixture(scope="module")
def user(everything_before):
    if os.geteuid() != 0:
        pytest.skip("the suite itself runs as an ordinary user, so every test here already did this")
    base = pathlib.Path("/var/tmp") / f"cowork-user-{os.getpid()}"
    base.mkdir(mode=0o755)
    home = base / "home of the user"
    home.mkdir()
    for name in ("state", "run", "config", "data"):
        (home / name).mkdir(mode=0o700)
    (home / "folder").mkdir()
    (home / "folder" / "a.txt").write_text("hello\n")
    (home / "closed").mkdir(mode=0o700)
    # The tree may lie where only root can go, as a test run's does: the user gets the program where he can reach it.
    shutil.copytree(COWORK.parent.parent, base / "cowork", symlinks=True,
                    copy_function=lambda a, b: subprocess.run(["cp", "--sparse=always", "--reflink=auto", a, b], check=True),
                    ignore=shutil.ignore_patterns("test", "cache*"))
    for path in [home, *home.rglob("*")]:
        if path.name != "closed":
            os.chown(path, UID, UID)
    world = UserWorld(home, {"HOME": str(home)})
    world.program = base / "cowork" / "bin" / "cowork"
    world.configure(accelerator="tcg")
    for path in (home / "config").rglob("*"):
        os.chown(path, UID, UID)
    try:
        yield world
    finally:
        world.close()
        shutil.rmtree(base)


@pytest.fixture(scope="module")
def session(user):
    return user.start(user.base / "folder", "--mode", "direct", "--memory", "512M", name="mine")


def test_it_runs_and_the_owner_is_the_user(user, session):
    folder = user.base / "folder"
    assert user.run("exec", session, "--", "cat", folder / "a.txt").stdout == "hello\n"
    user.run("exec", session, "--", "sh", "-c", "echo made > made.txt")
    status = (folder / "made.txt").stat()
    assert (status.st_uid, status.st_gid) == (UID, UID)


def test_nothing_of_it_runs_as_root(user, session):
    mine = user.processes()
    assert any("qemu-system" in line for line in ours().values())
    for pid in mine:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        uids = [line.split()[1:] for line in status.splitlines() if line.startswith("Uid:")][0]
        assert set(uids) == {str(UID)}, mine[pid]


def test_guest_root_gains_nothing(user, session):
    folder = user.base / "folder"
    done = user.run("exec", "-u", "root", session, "--", "sh", "-c", f"cat '{user.base}/closed/x' /etc/shadow-of-host; ls '{user.base}'; chown 0:0 '{folder}/a.txt'", check=False)
    assert (folder / "a.txt").stat().st_uid == UID
    assert "closed" not in done.stdout


def test_a_folder_the_user_cannot_read_is_refused(user, session):
    for path in (user.base / "closed", "/root"):
        code, error = user.fault("start", path, "--detach")
        assert code == 1 and error["code"] == "bad-folder", error


def test_another_user_has_no_session(user, session, world, guest):
    """Root may use the user's socket and still has no session there; the user cannot even reach root's."""
    assert session not in world.sessions()
    code, error = world.fault("exec", session, "--", "true")
    assert code == 4
    other = dict(user.environment, XDG_RUNTIME_DIR=str(world.base / "run"), XDG_STATE_HOME=str(world.base / "state"))
    mine = user.environment
    try:
        user.environment = other
        done = user.run("exec", guest, "--", "true", check=False)
        assert done.returncode == 5 and "hint: " in done.stderr
    finally:
        user.environment = mine
    assert user.run("exec", session, "--", "true").returncode == 0


def test_sockets_are_closed_to_others(user, session):
    id = user.sessions()[session]["id"]
    sockets = list((user.runtime / "s" / id).iterdir()) + [user.runtime / "daemon.sock"]
    assert len(sockets) >= 4
    script = "import socket,sys\nfor p in sys.argv[1:]:\n  for k in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):\n    s=socket.socket(socket.AF_UNIX,k)\n    try: s.connect(p); print('reached', p)\n    except PermissionError: print('refused')\n    except OSError as e: print('other', e)"
    done = subprocess.run(["/usr/bin/python3", "-c", script, *map(str, sockets)], user=4999, group=4999, extra_groups=[], capture_output=True, text=True, cwd="/")
    assert "reached" not in done.stdout and done.stdout.count("refused") == 2 * len(sockets), done.stdout + done.stderr


def test_it_survives_its_daemon(user, session):
    os.kill(user.daemon_pid(), signal.SIGKILL)
    assert user.run("exec", session, "--", "echo", "still").stdout == "still\n"


def test_it_stops_and_leaves_nothing(user, session):
    id = user.sessions()[session]["id"]
    user.run("stop", session)
    wait_until(lambda: not [line for line in ours().values() if id in line], "the processes' end")
    assert not (user.runtime / "s" / id).exists()
    user.run("rm", session)
