package import Contract
package import Core
internal import Synchronization
internal import System

/// All machines of this process's libvirt driver: made, ended, forgotten, and how each ended.
///
/// `start`, `destroy`, `forget` and `list` block and may run on several threads.
package final class Machines: Sendable {
    private struct Entry {
        enum Phase { case starting, running, ended }
        var phase: Phase
        var isDestroyed = false
        var isReset = false
        /// `destroy` found or made it gone; its notice may still come.
        var isGone = false
        /// Known, and not yet told because the start has not been answered.
        var untold: MachineEnd?
    }

    package let connection: LibvirtConnection
    let places: Places
    private let kind: @Sendable (AcceleratorKind) -> DomainDescription.Kind
    private let emulator: String?
    private let table = Mutex<[SessionID: Entry]>([:])

    package init(connection: LibvirtConnection, places: Places) {
        self.connection = connection
        self.places = places
        if connection.uri.hasPrefix("test:") {
            kind = { _ in .pretended }
            emulator = nil
        } else {
            kind = { $0 == .kvm ? .kvm : .emulated }
            emulator = Programs.find(Programs.emulator)
        }
    }

    /// Tells every end from now on, on libvirt's event thread, which must not be held up; and takes over the machines
    /// that an earlier process started.
    package func watch(_ report: @escaping @Sendable (MachineEvent) -> Void) throws(LibvirtError) {
        try connection.watch { [weak self] notice in
            if let event = self?.take(notice) { report(event) }
        }
        let found = try connection.running().compactMap(DomainName.session)
        table.withLock { table in
            for session in found where table[session] == nil { table[session] = Entry(phase: .running) }
        }
    }

    /// Machines that run or are about to.
    package var count: Int { table.withLock { $0.values.count { $0.phase != .ended } } }

    /// Makes a machine and starts it. After a fault nothing of it is left. Its end is told only after `announce`.
    package func start(_ specification: MachineSpecification) throws(Fault) {
        guard let session = SessionID(specification.session) else { throw Fault(.usage, "that is no session id") }
        let secret = try Self.decode(specification.secret)
        let document = try Self.describe(
            specification, session, kind: kind(specification.accelerator), emulator: emulator, places: places
        ).document()
        let isNew = table.withLock { table in
            if let entry = table[session], entry.phase != .ended { return false }
            table[session] = Entry(phase: .starting)
            return true
        }
        guard isNew else { throw Fault(.badState, "the session's machine runs already") }
        let files = MachineFiles(machines: places.machines, session: session)
        do throws(Fault) {
            try files.make(diskBytes: specification.resources.diskBytes, secret: secret)
            try create(document, session, files)
        } catch {
            table.withLock { $0[session] = nil }
            throw error
        }
    }

    private func create(_ document: String, _ session: SessionID, _ files: MachineFiles) throws(Fault) {
        let name = DomainName.of(session)
        do throws(LibvirtError) {
            if !isDestroyed(session) { try connection.create(document) }
            files.removeSecret()
            guard isDestroyed(session) else { return }
            // A `destroy` that came before libvirt knew the machine could not end it.
            _ = try connection.destroy(name)
        } catch {
            if !isDestroyed(session) {
                discard(session, files)
                throw error.fault("the machine could not be started", hint: "cowork doctor may know why")
            }
        }
        discard(session, files)
        throw Fault(.failed, "the machine was ended while it started")
    }

    private func discard(_ session: SessionID, _ files: MachineFiles) {
        try? files.remove()
        try? EmbeddedRoot(path: places.libvirt).removeLog(of: DomainName.of(session))
    }

    /// The start has been answered, so its end may be told: the one that came meanwhile is returned.
    package func announce(_ session: SessionID) -> MachineEvent? {
        table.withLock { table in
            guard let entry = table[session], entry.phase == .starting else { return nil }
            table[session]?.phase = entry.untold == nil ? .running : .ended
            return entry.untold.map { MachineEvent(session: session.text, end: $0) }
        }
    }

    /// Ends a machine at once and waits until its process is gone. One that is not there is fine.
    package func destroy(_ session: SessionID) throws(Fault) {
        table.withLock { $0[session]?.isDestroyed = true }
        do throws(LibvirtError) {
            _ = try connection.destroy(DomainName.of(session))
        } catch {
            throw error.fault("the machine could not be ended")
        }
        // Its notice may still be on the way.
        table.withLock { $0[session]?.isGone = true }
    }

    /// Removes what a machine has on disk. One that powered off is waited for; one that runs is refused.
    package func forget(_ session: SessionID) throws(Fault) {
        let runs = table.withLock { table in
            table[session].map { $0.phase != .ended && !$0.isGone } ?? false
        }
        if runs { throw Fault(.badState, "the session's machine runs", hint: "stop the session first") }
        try destroy(session)
        try MachineFiles(machines: places.machines, session: session).remove()
        try? EmbeddedRoot(path: places.libvirt).removeLog(of: DomainName.of(session))
        table.withLock { $0[session] = nil }
    }

    /// Every machine that runs, and every one that only has files left; and the ends that libvirt did not tell: of
    /// machines that it found dead when this process took over.
    package func list() throws(Fault) -> (machines: [MachineReport], lost: [MachineEvent]) {
        // Before the question, so that a machine that starts meanwhile is not taken for lost.
        let known = table.withLock { Set($0.filter { $0.value.phase == .running }.keys) }
        let found: Set<SessionID>
        do throws(LibvirtError) {
            found = Set(try connection.running().compactMap(DomainName.session))
        } catch {
            throw error.fault("the machines could not be listed")
        }
        let (lost, ended) = table.withLock { table in
            let lost = known.subtracting(found).compactMap { session -> MachineEvent? in
                guard let entry = table[session], entry.phase == .running else { return nil }
                table[session]?.phase = .ended
                return MachineEvent(session: session.text, end: entry.isDestroyed ? .destroyed : .crashed)
            }
            return (lost, Set(table.filter { $0.value.phase == .ended }.keys))
        }
        let root = EmbeddedRoot(path: places.libvirt)
        let onDisk = ((try? Files.entries(places.machines)) ?? []).compactMap { SessionID($0) }
        let machines = found.union(onDisk).sorted { $0.text < $1.text }.map { session in
            // One that has powered off is as good as gone, though its process may take a moment.
            let isRunning = found.contains(session) && !ended.contains(session)
            return MachineReport(
                session: session.text, isRunning: isRunning,
                pid: isRunning ? root.pid(of: DomainName.of(session)) : nil)
        }
        return (machines, lost)
    }

    private func isDestroyed(_ session: SessionID) -> Bool {
        table.withLock { $0[session]?.isDestroyed ?? true }
    }

    /// Counts a notice in; answers the end that it means.
    package func take(_ notice: DomainNotice) -> MachineEvent? {
        guard let session = DomainName.session(of: notice.domain) else { return nil }
        return table.withLock { table in
            guard var entry = table[session], entry.phase != .ended else { return nil }
            defer { table[session] = entry }
            guard let end = Self.end(notice.what, &entry) else { return nil }
            if entry.phase == .starting {
                entry.untold = entry.untold ?? end
                return nil
            }
            entry.phase = .ended
            return MachineEvent(session: session.text, end: end)
        }
    }

    private static func end(_ what: DomainNotice.What, _ entry: inout Entry) -> MachineEnd? {
        switch what {
        case .reset:
            entry.isReset = true
            return nil
        case .shutDown, .stopped(.shutDown):
            // Our kernels never reset a machine but by a panic.
            return entry.isDestroyed ? .destroyed : entry.isReset ? .panicked : .shutdown
        case .stopped(.destroyed): return .destroyed
        case .stopped(.failed): return entry.isDestroyed ? .destroyed : .crashed
        }
    }
}
