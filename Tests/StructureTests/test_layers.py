"""The real package against ARCHITECTURE.md: who may use whom, who imports what, and what guest-facing code must not use."""
import json
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLCHAIN = {"Glibc", "Synchronization", "FoundationEssentials", "Dispatch"}
GLIBC_ONLY = {"System", "Core", "Wire", "VhostUser", "Vsock", "Relay", "GuestCore", "cowork-vsock", "cowork-guest", "Confinement"}
NO_CONCURRENCY = {"Wire", "VhostUser", "Vsock", "Relay", "GuestCore", "cowork-vsock", "cowork-guest"}
# C modules and the Swift modules beside them that own what they wrap.
C_OWNERS = {
    "CLinux": {"System", "Confinement", "GuestCore", "Virtualization"},
    "CGuestStart": {"cowork-guest"},
    "CLibvirt": {"Virtualization"},
    "CSQLite": {"Store"},
    "CSeccomp": {"Confinement"},
    "COpenSSL": {"ImageStore"},
    "CIDN2": {"PolicyLanguage"},
    "CPSL": {"PolicyLanguage"},
}


def documented():
    rows = {}
    for line in (ROOT / "ARCHITECTURE.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 5 and cells[0].isdigit():
            rows[cells[1]] = (int(cells[0]), {name.strip() for name in cells[2].split(",") if name.strip()})
    return rows


def package():
    dumped = subprocess.run(
        ["swift", "package", "--scratch-path", str(ROOT / "out" / "test" / "dump"), "dump-package"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    return {
        target["name"]: {next(iter(dependency.values()))[0] for dependency in target["dependencies"]}
        for target in json.loads(dumped.stdout)["targets"]
        if target["type"] != "test" and not (target.get("path") or "").startswith("Tests/")
    }


def imports(module):
    found = set()
    for path in (ROOT / "Sources" / module).rglob("*.swift"):
        for match in re.finditer(r"^\s*(?:@\w+\s+)?(?:(?:package|internal|public|private|fileprivate)\s+)?import\s+"
                                 r"(?:(?:struct|class|enum|func|protocol|typealias)\s+)?(\w+)", path.read_text(), re.M):
            found.add(match.group(1))
    return found


ROWS = documented()


@pytest.mark.skipif(shutil.which("swift") is None, reason="make test checks for the toolchain before this")
def test_the_package_is_what_the_table_says():
    assert {name: uses for name, (_, uses) in ROWS.items()} == package()


def test_every_source_folder_has_a_row():
    assert {path.name for path in (ROOT / "Sources").iterdir() if path.is_dir()} == set(ROWS)


@pytest.mark.parametrize("module", sorted(ROWS))
def test_edges_point_down(module):
    layer, uses = ROWS[module]
    for used in uses:
        below = ROWS[used][0]
        # Layer 3 may use its own layer only where the table draws it and no circle results.
        assert below < layer or (below == layer and module not in ROWS[used][1]), f"{module} uses {used}"


@pytest.mark.parametrize("module", sorted(name for name in ROWS if ROWS[name][0] > 0))
def test_imports_are_declared(module):
    allowed = ROWS[module][1] | TOOLCHAIN
    assert imports(module) <= allowed, f"{module} imports {sorted(imports(module) - allowed)}"
    assert "Foundation" not in imports(module)
    if module in GLIBC_ONLY:
        assert "FoundationEssentials" not in imports(module)


@pytest.mark.parametrize("c_module", sorted(C_OWNERS))
def test_c_modules_have_one_owner(c_module):
    users = {name for name in ROWS if ROWS[name][0] > 0 and c_module in imports(name)}
    assert users <= C_OWNERS[c_module]


@pytest.mark.parametrize("module", sorted(NO_CONCURRENCY))
def test_guest_facing_code_has_no_swift_concurrency(module):
    for path in (ROOT / "Sources" / module).rglob("*.swift"):
        code = re.sub(r'//.*|"(?:\\.|[^"\\])*"', "", path.read_text())
        found = re.search(r"\b(async|await|actor|Task\s*[.{(]|DispatchQueue|AsyncStream|import Dispatch)\b", code)
        assert not found, f"{path.relative_to(ROOT)}: {found.group(0)}"


def test_supervisor_touches_nothing_outside():
    assert not imports("Supervisor") & ({"Glibc"} | {name for name in ROWS if ROWS[name][0] in (0, 3)})


def test_tests_never_sleep():
    # In pieces, so that this file does not find itself. A fake clock may have a method of that name.
    pattern = re.compile("|".join(rf"(?<!\w){name}" for name in ("usl" + r"eep\(", "nanosl" + r"eep\(", r"Task\.sl" + "eep", r"time\.sl" + "eep", "(?<!func )(?<![.])sl" + r"eep\(")))
    for path in [*(ROOT / "Tests").rglob("*.swift"), *(ROOT / "Tests").rglob("*.py")]:
        assert not pattern.search(path.read_text()), path.relative_to(ROOT)
