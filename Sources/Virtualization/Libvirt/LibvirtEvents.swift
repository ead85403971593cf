internal import CLibvirt

/// What libvirt tells about a machine's life, as far as we need it.
package struct DomainNotice: Sendable, Equatable {
    package enum What: Sendable, Equatable {
        /// The guest asked for a reset, which our machines do not do: they end. Comes before `shutDown`.
        case reset
        /// The guest has powered off; its process is about to end.
        case shutDown
        case stopped(Reason)
    }
    package enum Reason: Sendable, Equatable { case shutDown, destroyed, failed }

    package let domain: String
    package let what: What

    package init(domain: String, what: What) {
        self.domain = domain
        self.what = what
    }
}

enum LibvirtEvents {
    private final class Sink: Sendable {
        let handler: @Sendable (DomainNotice) -> Void
        init(_ handler: @escaping @Sendable (DomainNotice) -> Void) { self.handler = handler }

        static func found(at opaque: UnsafeMutableRawPointer?) -> Sink? {
            opaque.map { Unmanaged<Sink>.fromOpaque($0).takeUnretainedValue() }
        }
    }

    /// `connection` keeps the handler until it is closed.
    static func register(
        on connection: OpaquePointer, isEmulator: Bool, _ handler: @escaping @Sendable (DomainNotice) -> Void
    ) throws(LibvirtError) {
        let sink = Sink(handler)
        try Libvirt.call {
            let retained = Unmanaged.passRetained(sink)
            let identifier = virConnectDomainEventRegisterAny(
                connection, nil, Int32(VIR_DOMAIN_EVENT_ID_LIFECYCLE.rawValue),
                unsafeBitCast(onLifecycle, to: virConnectDomainEventGenericCallback.self), retained.toOpaque(), release)
            if identifier < 0 { retained.release() }
            return identifier < 0 ? nil : ()
        }
        guard isEmulator else { return }
        // libvirt's own event does not say whether the guest powered off or reset; QEMU's does.
        try Libvirt.call {
            let retained = Unmanaged.passRetained(sink)
            let identifier = virConnectDomainQemuMonitorEventRegister(
                connection, nil, "SHUTDOWN", onEmulatorShutdown, retained.toOpaque(), release, 0)
            if identifier < 0 { retained.release() }
            return identifier < 0 ? nil : ()
        }
    }

    private static let release: virFreeCallback = { opaque in
        opaque.map { Unmanaged<Sink>.fromOpaque($0).release() }
    }

    private static let onLifecycle: virConnectDomainEventCallback = { _, domain, event, detail, opaque in
        guard let sink = Sink.found(at: opaque), let domain, let what = meaning(event, detail),
            let name = virDomainGetName(domain)
        else { return 0 }
        sink.handler(DomainNotice(domain: String(cString: name), what: what))
        return 0
    }

    private static let onEmulatorShutdown: virConnectDomainQemuMonitorEventCallback = {
        _, domain, _, _, _, details, opaque in
        guard let sink = Sink.found(at: opaque), let domain, let details, let name = virDomainGetName(domain),
            isReset(String(cString: details))
        else { return }
        sink.handler(DomainNotice(domain: String(cString: name), what: .reset))
    }

    /// Whether QEMU's account of a shutdown, a flat JSON object of its own making, names a reset as the reason.
    static func isReset(_ details: String) -> Bool {
        let plain = details.filter { $0 != " " }
        return plain.contains("\"reason\":\"guest-reset\"") || plain.contains("\"reason\":\"guest-panic\"")
    }

    private static func meaning(_ event: Int32, _ detail: Int32) -> DomainNotice.What? {
        switch event {
        case Int32(VIR_DOMAIN_EVENT_SHUTDOWN.rawValue): .shutDown
        case Int32(VIR_DOMAIN_EVENT_STOPPED.rawValue):
            switch detail {
            case Int32(VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN.rawValue): .stopped(.shutDown)
            case Int32(VIR_DOMAIN_EVENT_STOPPED_DESTROYED.rawValue): .stopped(.destroyed)
            default: .stopped(.failed)
            }
        default: nil
        }
    }
}
