import Contract
import Core
import Glibc
import System
import Testing

@testable import Virtualization

/// Machines of libvirt's test driver: real libvirt, real events, real files, no guest.
@Suite(.timeLimit(.minutes(1))) struct MachinesTests {
    let scratch: Scratch
    let places: Places
    let machines: Machines
    let session = SessionID.new()

    init() throws {
        scratch = try Scratch()
        places = try scratch.places()
        machines = Machines(connection: try LibvirtConnection(uri: "test:///default"), places: places)
    }

    private func start() throws { try machines.start(.small(session, scratch.image())) }
    private func report() throws -> MachineReport? {
        try machines.list().machines.first { $0.session == session.text }
    }

    @Test func `a machine starts, is listed, ends and is forgotten`() async throws {
        let (events, continuation) = AsyncStream.makeStream(of: MachineEvent.self)
        try machines.watch { continuation.yield($0) }
        let files = MachineFiles(machines: places.machines, session: session)

        try start()
        #expect(machines.announce(session) == nil)
        #expect(try report()?.isRunning == true)
        #expect(machines.count == 1)
        #expect(Files.exists(files.disk))
        #expect(!Files.exists(files.secret), "the emulator has read it")
        #expect(throws: Fault.self) { try machines.forget(session) }

        try machines.destroy(session)
        let event = await events.first { _ in true }
        #expect(event == MachineEvent(session: session.text, end: .destroyed))
        #expect(machines.count == 0)
        #expect(try report()?.isRunning == false)

        try machines.forget(session)
        #expect(try report() == nil)
        #expect(!Files.exists(files.directory))
    }

    @Test func `a machine that is not there can be ended and forgotten`() throws {
        try machines.destroy(session)
        try machines.forget(session)
    }

    @Test func `a session has one machine`() throws {
        try start()
        let fault = #expect(throws: Fault.self) { try start() }
        #expect(fault?.code == .badState)
        try machines.destroy(session)
        _ = machines.take(DomainNotice(domain: DomainName.of(session), what: .stopped(.destroyed)))
        _ = machines.announce(session)
        try machines.forget(session)
        try start()
        try machines.destroy(session)
    }

    @Test func `a later process takes over what runs`() throws {
        try start()
        let later = Machines(connection: machines.connection, places: places)
        try later.watch { _ in }
        #expect(later.count >= 1)
        #expect(throws: Fault.self) { try later.forget(session) }
        try machines.destroy(session)
    }

    @Test func `a machine that libvirt lost is told once`() throws {
        try start()
        _ = machines.announce(session)
        _ = try machines.connection.destroy(DomainName.of(session))
        let first = try machines.list()
        #expect(first.lost == [MachineEvent(session: session.text, end: .crashed)])
        #expect(try machines.list().lost.isEmpty)
    }

    @Test func `an end before the answer waits for it`() throws {
        try start()
        #expect(machines.take(DomainNotice(domain: DomainName.of(session), what: .shutDown)) == nil)
        #expect(machines.announce(session) == MachineEvent(session: session.text, end: .shutdown))
        #expect(machines.announce(session) == nil)
        try machines.destroy(session)
    }

    @Test(arguments: [
        ([DomainNotice.What.shutDown, .stopped(.shutDown)], MachineEnd.shutdown),
        ([.reset, .shutDown, .stopped(.shutDown)], .panicked),
        ([.stopped(.failed)], .crashed),
        ([.stopped(.destroyed)], .destroyed),
        ([.stopped(.shutDown)], .shutdown),
    ])
    func `an end is told once, by its first sign`(notices: [DomainNotice.What], end: MachineEnd) throws {
        try start()
        _ = machines.announce(session)
        let told = notices.compactMap { machines.take(DomainNotice(domain: DomainName.of(session), what: $0)) }
        #expect(told == [MachineEvent(session: session.text, end: end)])
        try machines.destroy(session)
    }

    @Test func `other people's domains are none of ours`() {
        #expect(machines.take(DomainNotice(domain: "test", what: .stopped(.failed))) == nil)
        #expect(machines.announce(session) == nil)
    }

    @Test func `a missing image leaves nothing behind`() throws {
        let image = try scratch.image()
        let missing = ImageParts(
            id: image.id, kernel: image.kernel, initramfs: "/images/base/none", root: image.root)
        let fault = #expect(throws: Fault.self) { try machines.start(.small(session, missing)) }
        #expect(fault?.code == .imageMissing)
        let elsewhere = ImageParts(id: image.id, kernel: "/etc/passwd", initramfs: image.initramfs, root: image.root)
        #expect(throws: Fault.self) { try machines.start(.small(session, elsewhere)) }
        #expect(try Files.entries(places.machines).isEmpty)
        #expect(machines.count == 0)
        try start()
        try machines.destroy(session)
    }

    @Test(arguments: [
        Resources(processors: 0, memoryBytes: 1 << 30, diskBytes: 1 << 30),
        Resources(processors: 1000, memoryBytes: 1 << 30, diskBytes: 1 << 30),
        Resources(processors: 1, memoryBytes: 1 << 20, diskBytes: 1 << 30),
        Resources(processors: 1, memoryBytes: 1 << 60, diskBytes: 1 << 30),
        Resources(processors: 1, memoryBytes: 1 << 30, diskBytes: 1 << 20),
        Resources(processors: 1, memoryBytes: 1 << 30, diskBytes: .max),
    ])
    func `resources that no machine can have are refused`(resources: Resources) throws {
        let specification = MachineSpecification(
            session: session.text, accelerator: .tcg, resources: resources, image: try scratch.image(), shares: [],
            secret: MachineSpecification.small(session, try scratch.image()).secret)
        let fault = #expect(throws: Fault.self) { try machines.start(specification) }
        #expect(fault?.code == .usage)
        #expect(try Files.entries(places.machines).isEmpty)
    }

    @Test(arguments: ["../x", "a/b", "", "A", String(repeating: "a", count: 37), "a,b"])
    func `a tag that could be more than a name is refused`(tag: String) throws {
        let small = MachineSpecification.small(session, try scratch.image())
        let specification = MachineSpecification(
            session: small.session, accelerator: .tcg, resources: small.resources, image: small.image,
            shares: [.init(tag: tag)], secret: small.secret)
        #expect(throws: Fault.self) { try machines.start(specification) }
    }
}
