"""What a guest, also as its root, can do with a granted folder and with what lies beside it."""
import os
import pathlib

import pytest

# Reads any file by a handle made from scratch, the classic way out of a confined directory.
BY_HANDLE = r"""
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
mount = os.open(sys.argv[1], os.O_RDONLY)
def handle_of(path):
    raw = ctypes.create_string_buffer(struct.pack("Ii", 128, 0), 136); where = ctypes.c_int()
    if libc.name_to_handle_at(mount, path.encode(), raw, ctypes.byref(where), 0x400 if not path else 0) != 0:
        return None
    return raw.raw
own = handle_of("a.txt")
print("handle", "none" if own is None else "given")
found = 0
for inode in list(range(1, 4000)):
    for kind in (1, 0x81):
        raw = ctypes.create_string_buffer(struct.pack("IiIII", 12, kind, inode, 0, 0), 136)
        fd = libc.open_by_handle_at(mount, raw, os.O_RDONLY)
        if fd >= 0: found += 1; os.close(fd)
print("opened", found)
"""


def as_root(world, session, script, *arguments):
    return world.run("exec", "-u", "root", session, "--", "sh", "-c", script, "sh", *arguments, check=False)


def test_the_folder_is_at_its_own_path(world, guest, folder):
    assert world.run("exec", guest, "--", "cat", folder / "a.txt").stdout == "hello\n"
    assert world.run("exec", guest, "--", "cat", folder / "sub" / "b.txt").stdout == "deep\n"


def test_host_edits_are_live(world, guest, folder):
    (folder / "later.txt").write_text("one\n")
    assert world.run("exec", guest, "--", "cat", folder / "later.txt").stdout == "one\n"
    replacement = folder / ".later.new"
    replacement.write_text("two, longer\n")
    replacement.rename(folder / "later.txt")
    script = f"for i in $(seq 200); do grep -q two '{folder}/later.txt' && exec echo seen; done; cat '{folder}/later.txt'"
    assert world.run("exec", guest, "--", "sh", "-c", script).stdout == "seen\n"


WRITES = {
    "create": "echo x > new-file",
    "overwrite": "echo x > a.txt",
    "append": "echo x >> a.txt",
    "delete": "rm -f a.txt && ! [ -e a.txt ]",
    "rename": "mv a.txt b.txt",
    "directory": "mkdir new-directory",
    "link": "ln a.txt linked",
    "symbolic link": "ln -s a.txt linked-too",
    "mode": "chmod 777 a.txt",
    "time": "touch -d 2001-01-01 a.txt",
    "attribute": "setfattr -n user.x -v 1 a.txt 2>/dev/null || python3 -c \"import os; os.setxattr('a.txt', 'user.x', b'1')\"",
}


@pytest.mark.parametrize("what", WRITES)
@pytest.mark.parametrize("user", ["agent", "root"])
def test_read_only_holds(world, guest, folder, what, user):
    before = snapshot(folder)
    done = world.run("exec", "-u", user, "-w", folder, guest, "--", "sh", "-c", WRITES[what], check=False)
    assert done.returncode != 0
    assert snapshot(folder) == before


def test_read_only_holds_against_remounting_root(world, guest, folder):
    before = snapshot(folder)
    done = as_root(world, guest, 'mount -o remount,rw "$1"; mount -o remount,bind,rw "$1"; '
                   'mkdir -p /tmp/again; mount -t virtiofs f0 /tmp/again; echo x >/tmp/again/evil; rm -f /tmp/again/a.txt; '
                   'echo x >"$1/evil"; rm -f "$1/a.txt"; umount /tmp/again; id -u', str(folder))
    assert done.stdout == "0\n"
    assert snapshot(folder) == before


@pytest.mark.parametrize("what", ["create", "overwrite", "rename", "directory", "delete"])
def test_direct_mode_writes_as_the_owner(world, writable, folder, what):
    """The twin of `test_read_only_holds`."""
    place = folder / f"twin-{what}"
    place.mkdir()
    (place / "a.txt").write_text("hello\n")
    before = snapshot(place)
    world.run("exec", "-w", place, writable, "--", "sh", "-c", WRITES[what])
    assert snapshot(place) != before
    for path in place.rglob("*"):
        assert path.lstat().st_uid == folder.stat().st_uid


def test_modes_of_files_made_in_the_guest(world, writable, folder):
    world.run("exec", "-w", folder, writable, "--", "sh", "-c", "umask 027; echo x > made; chmod u+x made")
    assert (folder / "made").stat().st_mode & 0o7777 == 0o740 and (folder / "made").read_text() == "x\n"
    (folder / "made").unlink()


@pytest.mark.parametrize("session", ["guest", "writable"])
def test_no_way_to_a_sibling(world, folder, session, request):
    name = request.getfixturevalue(session)
    secret, sibling = folder.parent / "secret.txt", folder.parent / "sibling" / "s.txt"
    attempts = f"""
        cat '{secret}' '{sibling}' '{folder}/../secret.txt' '{folder}/sub/../../secret.txt'
        cat '{folder}/out-link' '{folder}/absolute-link'
        ls '{folder.parent}'
        cd '{folder}' && cat ../secret.txt ../sibling/s.txt
        mkdir -p /tmp/m && mount -t virtiofs f0 /tmp/m && cat /tmp/m/../secret.txt /tmp/m/out-link; ls -a /tmp/m/..
        mkdir -p /tmp/n && mount --bind '{folder}/..' /tmp/n && ls /tmp/n; cat /tmp/n/secret.txt; umount /tmp/n
        chroot /tmp/m /bin/true; umount /tmp/m
        for tag in f1 f2 root share ''; do mount -t virtiofs "$tag" /tmp/m && ls /tmp/m; done
    """
    done = as_root(world, name, attempts)
    everything = done.stdout + done.stderr
    assert "not for the guest" not in everything and "nor this" not in everything
    # The folder itself is readable by the same means: the attempts ran, in the right place.
    assert as_root(world, name, f"cd '{folder}/sub' && cat ../a.txt").stdout.startswith("hello")


def test_no_way_by_links_made_in_the_guest(world, writable, folder):
    done = world.run("exec", "-u", "root", "-w", folder, writable, "--", "sh", "-c",
                     "ln -s ../secret.txt evil1; ln -s ../../ evil2; ln ../secret.txt evil3; cat evil1 evil2/secret.txt evil3", check=False)
    assert "not for the guest" not in done.stdout + done.stderr
    for name in ("evil1", "evil2", "evil3"):
        path = folder / name
        if path.is_symlink() or path.exists():
            assert path.is_symlink()
            path.unlink()


def test_no_way_by_handle(world, guest, folder):
    done = world.run("exec", "-u", "root", guest, "--", "python3", "-c", BY_HANDLE, folder, check=False)
    assert "not for the guest" not in done.stdout
    assert done.returncode == 0 and "opened" in done.stdout


def test_other_guest_users_are_refused_not_mapped(world, writable, folder):
    done = as_root(world, writable, 'useradd -m other 2>/dev/null; chmod 755 "$1"; su other -s /bin/sh -c "echo x > \\"$1/by-other\\""', str(folder))
    made = folder / "by-other"
    assert not made.exists() or made.stat().st_uid == folder.stat().st_uid
    world.run("exec", "-w", folder, writable, "--", "sh", "-c", "echo x > by-agent")
    assert (folder / "by-agent").stat().st_uid == os.getuid()
    (folder / "by-agent").unlink()


def test_strange_names_inside_a_folder(world, writable, folder):
    names = ["it's", 'say "hi"', "new\nline", "tab\there", "-rf", "ü漢🙂", "a" * 255, "back\\slash", "\x1b[31m"]
    place = folder / "strange"
    place.mkdir()
    for name in names:
        (place / name).write_text(name)
    listed = world.run("exec", "-w", place, writable, "--", "python3", "-c", "import json,os; print(json.dumps({n: open(n).read() for n in os.listdir('.')}))")
    import json
    assert json.loads(listed.stdout) == {name: name for name in names}


def snapshot(folder):
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        status = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        attributes = None if path.is_symlink() else sorted(os.listxattr(path))
        found[str(path)] = (status.st_mode, status.st_mtime_ns, status.st_nlink if path.is_file() else 0, content, attributes)
    return found
