"""Real guests for the tests. A world is one user's Cowork: directories, a daemon, sessions; nothing of it outlives the run."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
COWORK = ROOT / "out" / "bin" / "cowork"
PATIENCE = 240  # seconds for anything that may boot a guest on a busy machine


def ours():
    """Processes of any Cowork on this machine, by pid."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        program = line.split(" ")[0].rsplit("/", 1)[-1]
        if program.startswith(("cowork", "qemu-system", "virtiofsd")):
            found[int(entry.name)] = f"{state} {line.strip()}"
    return found


def wait_until(condition, what, seconds=30):
    """Waits for something that has no descriptor to wait on, in the kernel's own time slices."""
    import select
    import time
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        select.select([], [], [], 0.05)


class World:
    program = COWORK

    def __init__(self, base, environment=None):
        self.base = pathlib.Path(base)
        self.environment = dict(os.environ)
        for name, folder in {"XDG_STATE_HOME": "state", "XDG_RUNTIME_DIR": "run", "XDG_CONFIG_HOME": "config"}.items():
            self.environment[name] = str(self.base / folder)
        self.environment.update(environment or {})
        (self.base / "run").mkdir(mode=0o700, exist_ok=True)

    @property
    def state(self):
        return self.base / "state" / "cowork"

    @property
    def runtime(self):
        return self.base / "run" / "cowork"

    def configure(self, **settings):
        folder = self.base / "config" / "cowork"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cowork.conf").write_text("".join(f"{key.replace('_', '-')} = {value}\n" for key, value in settings.items()))

    def popen(self, *arguments, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen([str(self.program), *map(os.fspath, arguments)], env=self.environment, **options)

    def run(self, *arguments, check=True, text=True, timeout=PATIENCE, **options):
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        done = subprocess.run([str(self.program), *map(os.fspath, arguments)], env=self.environment, capture_output=True,
                              text=text, timeout=timeout, **options)
        if check and done.returncode != 0:
            raise AssertionError(f"cowork {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def lines(self, *arguments, **options):
        return [json.loads(line) for line in self.run(*arguments, "--json", **options).stdout.splitlines() if line.strip()]

    def sessions(self):
        return {session["name"]: session for session in self.lines("ps", "-a")}

    def start(self, folder, *options, name=None):
        arguments = ["start", folder, "--detach", *options]
        if name:
            arguments += ["--name", name]
        return self.run(*arguments).stdout.strip()

    def daemon_pid(self):
        return json.loads(self.run("doctor", "--json", check=False).stdout)["daemon"]["pid"]

    def fault(self, *arguments, **options):
        """Runs what must fail; answers (exit code, error object) after checking that a person gets a message and a hint."""
        done = self.run(*arguments, check=False, **options)
        assert done.returncode != 0, f"accepted: {arguments}\n{done.stdout}"
        assert "cowork: " in done.stderr and "\nhint: " in "\n" + done.stderr, done.stderr
        again = self.run(*arguments[:1], "--json", *arguments[1:], check=False, **options)
        error = [json.loads(line)["error"] for line in again.stderr.splitlines() if line.startswith("{")][-1]
        return done.returncode, error

    def processes(self):
        """Our processes that belong to this world."""
        mine = {}
        for pid, line in ours().items():
            try:
                environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
            except OSError:
                environment = ""
            if str(self.base) in line or str(self.base) in environment:
                mine[pid] = line
        return mine

    def close(self):
        for name in self.sessions():
            self.run("rm", "--force", name, check=False)
        pid = self.daemon_pid()
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "the daemon's end", 30)


@pytest.fixture(scope="session")
def everything_before():
    return ours()


@pytest.fixture(scope="session")
def world(everything_before):
    base = tempfile.mkdtemp(prefix="cowork-world-")
    os.chmod(base, 0o700)
    mounts = pathlib.Path("/proc/self/mountinfo").read_text().count("\n")
    world = World(base)
    try:
        yield world
    finally:
        world.close()
        wait_until(lambda: not [line for pid, line in ours().items() if pid not in everything_before],
                   "the end of every process of ours", 60)
        assert pathlib.Path("/proc/self/mountinfo").read_text().count("\n") == mounts
        assert not list((world.runtime / "s").glob("*")) if (world.runtime / "s").exists() else True
        shutil.rmtree(base)


@pytest.fixture(scope="session")
def folder(world):
    """The folder that `guest` sees read-only and `writable` sees in direct mode, beside things neither may see."""
    path = world.base / "outer" / "a folder"
    path.mkdir(parents=True)
    (path / "a.txt").write_text("hello\n")
    (path / "sub").mkdir()
    (path / "sub" / "b.txt").write_text("deep\n")
    (world.base / "outer" / "secret.txt").write_text("not for the guest\n")
    (world.base / "outer" / "sibling").mkdir()
    (world.base / "outer" / "sibling" / "s.txt").write_text("nor this\n")
    (path / "out-link").symlink_to("../secret.txt")
    (path / "absolute-link").symlink_to(world.base / "outer" / "secret.txt")
    return path


@pytest.fixture(scope="session")
def guest(world, folder):
    """A running session on the folder, read-only."""
    return world.start(folder, "--mode", "read-only", "--memory", "768M", name="shared-read-only")


@pytest.fixture(scope="session")
def writable(world, folder):
    """A running session on the same folder, direct."""
    return world.start(folder, "--mode", "direct", "--memory", "512M", name="shared-direct")
