package import Core

extension DomainDescription {
    /// Spare hot-plug ports, for folders granted while the machine runs.
    private static let sparePorts = 4
    /// Our fixed places on bus 0. Devices that stay for good sit there: a port costs the guest's kernel boot time.
    private static let rootDiskSlot = "0x02", overlayDiskSlot = "0x03"
    /// Above everything libvirt places by itself.
    private static let vsockSlot = "0x1d"

    /// The document libvirt makes the machine from: no network card, no display, no USB, nothing that is not named here.
    package func document() throws(Fault) -> String {
        var children: [XMLElement] = [
            XMLElement("name", text: DomainName.of(session)),
            XMLElement("uuid", text: DomainName.uuid(of: session)),
            XMLElement("memory", ["unit": "b"], text: "\(memoryBytes)"),
            // vhost-user devices work in the guest's memory, which must therefore be a shareable file.
            XMLElement(
                "memoryBacking", [:],
                [XMLElement("source", ["type": "memfd"]), XMLElement("access", ["mode": "shared"])]),
            XMLElement("vcpu", ["placement": "static"], text: "\(processors)"),
            XMLElement("sysinfo", ["type": "fwcfg"], [secretEntry]),
            XMLElement(
                "os", [:],
                [
                    XMLElement("type", ["arch": "x86_64", "machine": "q35"], text: "hvm"),
                    XMLElement("kernel", text: kernel),
                    XMLElement("initrd", text: initramfs),
                    XMLElement("cmdline", text: commandLine),
                ]),
            XMLElement("features", [:], [XMLElement("acpi"), XMLElement("apic")]),
            processorModel,
            XMLElement("clock", ["offset": "utc"]),
            XMLElement("on_poweroff", text: "destroy"),
            XMLElement("on_reboot", text: "destroy"),
            XMLElement("on_crash", text: "destroy"),
            XMLElement("devices", [:], devices),
        ]
        if let commandLine = try emulatorArguments() { children.append(commandLine) }
        var domain = XMLElement("domain", ["type": kind.rawValue], children)
        domain.attributes.append((name: "xmlns:qemu", value: "http://libvirt.org/schemas/domain/qemu/1.0"))
        return try domain.document()
    }

    private var secretEntry: XMLElement {
        XMLElement("entry", ["name": "opt/dev.cowork/secret", "file": secret])
    }

    private var processorModel: XMLElement {
        kind == .kvm
            ? XMLElement("cpu", ["mode": "host-passthrough", "migratable": "off"])
            : XMLElement("cpu", ["mode": "maximum"])
    }

    private var devices: [XMLElement] {
        var devices: [XMLElement] = []
        if let emulator { devices.append(XMLElement("emulator", text: emulator)) }
        devices.append(disk(rootDisk, name: "vda", slot: Self.rootDiskSlot, isReadOnly: true))
        devices.append(disk(overlayDisk, name: "vdb", slot: Self.overlayDiskSlot, isReadOnly: false))
        devices.append(XMLElement("controller", ["type": "usb", "model": "none"]))
        devices.append(XMLElement("controller", ["type": "pci", "index": "0", "model": "pcie-root"]))
        for index in 1...(Self.sparePorts + shares.count) {
            devices.append(XMLElement("controller", ["type": "pci", "index": "\(index)", "model": "pcie-root-port"]))
        }
        devices += shares.map(filesystem)
        devices.append(
            XMLElement(
                "serial", ["type": "unix"],
                [
                    XMLElement("source", ["mode": "connect", "path": console]),
                    XMLElement("target", ["type": "isa-serial", "port": "0"]),
                ]))
        devices.append(XMLElement("memballoon", ["model": "none"]))
        return devices
    }

    /// `writeback` keeps the guest's promises about flushed data and shares the host's cache of an image between guests;
    /// `none` would need a file system that knows O_DIRECT, and `unsafe` would forget flushed data when the host dies.
    private func disk(_ path: String, name: String, slot: String, isReadOnly: Bool) -> XMLElement {
        var driver: KeyValuePairs<StaticString, String> = ["name": "qemu", "type": "raw", "cache": "writeback"]
        if !isReadOnly {
            driver = [
                "name": "qemu", "type": "raw", "cache": "writeback", "discard": "unmap", "detect_zeroes": "unmap",
            ]
        }
        var children = [
            XMLElement("driver", driver),
            XMLElement("source", ["file": path]),
            XMLElement("target", ["dev": name, "bus": "virtio"]),
        ]
        if isReadOnly { children.append(XMLElement("readonly")) }
        children.append(
            XMLElement(
                "address",
                ["type": "pci", "domain": "0x0000", "bus": "0x00", "slot": slot, "function": "0x0"]))
        return XMLElement("disk", ["type": "file", "device": "disk"], children)
    }

    private func filesystem(_ share: Share) -> XMLElement {
        XMLElement(
            "filesystem", ["type": "mount"],
            [
                XMLElement("driver", ["type": "virtiofs", "queue": "1024"]),
                XMLElement("source", ["socket": share.socket]),
                XMLElement("target", ["dir": share.tag]),
            ])
    }

    /// What libvirt has no words for.
    private func emulatorArguments() throws(Fault) -> XMLElement? {
        guard let vsock else { return nil }
        let arguments = [
            "-chardev", "socket,id=cowork-vsock,path=" + Self.optionValue(vsock),
            "-device",
            "vhost-user-vsock-pci,id=cowork-vsock-device,chardev=cowork-vsock,bus=pcie.0,addr="
                + Self.vsockSlot,
        ]
        return XMLElement("qemu:commandline", [:], arguments.map { XMLElement("qemu:arg", ["value": $0]) })
    }

    /// QEMU ends an option's value at a comma unless it is doubled.
    static func optionValue(_ text: String) -> String {
        text.split(separator: ",", omittingEmptySubsequences: false).joined(separator: ",,")
    }
}
