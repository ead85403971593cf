// swift-tools-version: 6.0
import PackageDescription

// The layers of ARCHITECTURE.md, lowest first. A target may use only targets of lower layers, or of its own layer where
// ARCHITECTURE.md draws that edge; LayerTests compares the two.

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .unsafeFlags(["-warnings-as-errors"]),
]

// Sanitizers cannot link a static executable.
let guestLinking: [LinkerSetting] =
    Context.environment["COWORK_SANITIZE"] == nil ? [.unsafeFlags(["-static-executable", "-Xlinker", "-s"])] : []

func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func program(_ name: String, _ dependencies: [Target.Dependency], linking: [LinkerSetting] = []) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: strict, linkerSettings: linking)
}

/// `tables` are folders of data that tests read from the sources.
func tests(
    _ name: String, _ dependencies: [Target.Dependency], path: String? = nil, tables: [String] = []
) -> Target {
    .testTarget(name: name, dependencies: dependencies, path: path, exclude: tables, swiftSettings: strict)
}

func library(_ name: String, _ pkgConfig: String, _ package: String) -> Target {
    .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([package])])
}

var targets: [Target] = [
    // 0: headers, and C only where macros or variadics force it
    .target(name: "CLinux"),
    .target(name: "CGuestStart"),
    library("CLibvirt", "libvirt", "libvirt-dev"),
    library("CSQLite", "sqlite3", "libsqlite3-dev"),
    library("CSeccomp", "libseccomp", "libseccomp-dev"),
    library("COpenSSL", "libcrypto", "libssl-dev"),
    library("CIDN2", "libidn2", "libidn2-dev"),
    library("CPSL", "libpsl", "libpsl-dev"),

    // 1
    module("System", ["CLinux"]),
    module("Core"),

    // 2: pure
    module("Wire"),
    module("Varlink", ["Core"]),
    module("Contract", ["Core", "Wire"]),
    module("GuestImage", ["Core"]),
    module("PolicyLanguage", ["CIDN2", "CPSL", "Core"]),
    module("PolicyCompiler", ["PolicyLanguage", "Core"]),

    // 3: one outside thing each
    module("Virtualization", ["CLibvirt", "CLinux", "System", "Core", "Contract"]),
    module("VhostUser", ["System"]),
    module("Vsock", ["VhostUser", "System"]),
    module("Relay", ["Vsock", "Wire", "System"]),
    module("Confinement", ["CSeccomp", "CLinux", "System"]),
    module("Workspace", ["Confinement", "System", "Core", "Contract"]),
    module("Store", ["CSQLite", "System", "Core", "Contract"]),
    module("ImageStore", ["COpenSSL", "GuestImage", "System", "Core"]),
    module("Links", ["Varlink", "Wire", "System", "Core", "Contract"]),

    // 4
    module("Supervisor", ["Varlink", "Wire", "Core", "Contract"]),
    module("GuestCore", ["CLinux", "Wire", "System"]),
    module("CommandLineKit", ["Core"]),
    module("PolicyCommands", ["PolicyCompiler", "PolicyLanguage", "System", "Core"]),
    module(
        "Commands",
        [
            "CommandLineKit", "PolicyCommands", "Links", "ImageStore", "GuestImage", "Varlink", "Wire", "System",
            "Core",
        ]),

    // 5: composition only
    program("cowork", ["Commands", "CommandLineKit", "System", "Core"]),
    program(
        "coworkd",
        ["Supervisor", "Links", "Workspace", "Store", "ImageStore", "GuestImage", "System", "Core", "Contract"]),
    program("cowork-hypervisor", ["Virtualization", "System", "Core"]),
    program("cowork-vsock", ["Relay", "Vsock", "Confinement", "Wire", "System"]),
    program("cowork-guest", ["GuestCore", "CGuestStart", "System"], linking: guestLinking),
]

targets += [
    // What tests of several modules share.
    .target(name: "MachineDouble", dependencies: ["System"], path: "Tests/MachineDouble", swiftSettings: strict),

    tests("CommandLineKitTests", ["CommandLineKit", "Core"]),
    tests("CommandsTests", ["Commands", "CommandLineKit", "Varlink", "Wire", "System", "Core"]),
    tests("ConfinementTests", ["Confinement", "System"]),
    tests("CoreTests", ["Core"]),
    tests("GuestCoreTests", ["GuestCore", "Wire", "System"]),
    tests("GuestImageTests", ["GuestImage", "Core"]),
    tests("ImageStoreTests", ["ImageStore", "GuestImage", "System", "Core"]),
    tests("LinksTests", ["Links", "Varlink", "Wire", "System", "Core", "Contract"]),
    tests("PolicyCommandsTests", ["PolicyCommands"]),
    tests("PolicyCompilerTests", ["PolicyCompiler", "PolicyLanguage"], tables: ["Tables"]),
    tests("RelayTests", ["Relay", "MachineDouble", "Wire", "System"]),
    tests("StoreTests", ["Store", "System", "Core", "Contract"]),
    tests("SupervisorTests", ["Supervisor", "Varlink", "Wire", "Core", "Contract"]),
    tests("SystemTests", ["System"]),
    tests("VarlinkTests", ["Varlink", "Core"]),
    tests("VhostUserTests", ["VhostUser", "MachineDouble", "System"]),
    tests("VirtualizationTests", ["Virtualization", "Contract", "System", "Core"]),
    tests("VsockTests", ["Vsock", "VhostUser", "MachineDouble", "System"]),
    tests("WireTests", ["Wire"]),
    tests("WorkspaceTests", ["Workspace", "Confinement", "System", "Core", "Contract"]),
]

let package = Package(name: "cowork", targets: targets)
