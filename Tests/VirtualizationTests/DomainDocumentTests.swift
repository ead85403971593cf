import Core
import Testing

@testable import Virtualization

@Suite struct DomainDocumentTests {
    static func description(_ kind: DomainDescription.Kind = .emulated) throws -> DomainDescription {
        DomainDescription(
            session: try #require(SessionID("0123456789abcdef")), kind: kind, emulator: "/usr/bin/qemu-system-x86_64",
            processors: 2, memoryBytes: 1 << 30, kernel: "/run/cowork/i/0/base/vmlinux",
            initramfs: "/run/cowork/i/0/base/initramfs", commandLine: "quiet a=b",
            rootDisk: "/run/cowork/i/0/base/root.erofs", overlayDisk: "/run/cowork/machines/0123456789abcdef/disk.raw",
            console: "/run/cowork/s/0123456789abcdef/console.sock", vsock: "/run/cowork/s/0123456789abcdef/vsock.sock",
            secret: "/run/cowork/machines/0123456789abcdef/secret",
            shares: [.init(tag: "f0", socket: "/run/cowork/s/0123456789abcdef/f0.sock")])
    }

    @Test func `the whole document`() throws {
        #expect(try Self.description().document() == golden)
    }

    @Test func `under KVM the guest gets the host's processor`() throws {
        let document = try Self.description(.kvm).document()
        #expect(document.hasPrefix("<domain type='kvm' "))
        #expect(document.contains("<cpu mode='host-passthrough' migratable='off'/>"))
        #expect(!document.contains("mode='maximum'"))
    }

    @Test(arguments: DomainDescription.Kind.allForTests)
    func `no machine has a network card`(kind: DomainDescription.Kind) throws {
        #expect(!(try Self.description(kind).document()).contains("interface"))
    }

    @Test func `without a vsock device nothing is passed to the emulator behind libvirt's back`() throws {
        var description = try Self.description()
        description.vsock = nil
        #expect(!(try description.document()).contains("qemu:commandline"))
    }

    @Test func `hostile text stays where it was put`() throws {
        var description = try Self.description()
        description.commandLine = "</cmdline></os><devices><interface type='user'/></devices>"
        description.vsock = "/run/a,server=on'/><x"
        let document = try description.document()
        #expect(!document.contains("<interface"))
        #expect(document.contains("path=/run/a,,server=on&apos;/&gt;&lt;x"))
        description.commandLine = "a\nb"
        #expect(throws: Fault.self) { try description.document() }
    }

    @Test func `every folder brings a port, and four stay free`() throws {
        var description = try Self.description()
        description.shares = (0..<3).map { .init(tag: "f\($0)", socket: "/f\($0).sock") }
        let ports = try description.document().split(separator: "\n").count { $0.contains("pcie-root-port") }
        #expect(ports == 7)
    }

    @Test func `names are made from the session and read back`() throws {
        let session = try #require(SessionID("0123456789abcdef"))
        #expect(DomainName.of(session) == "cowork-0123456789abcdef")
        #expect(DomainName.session(of: "cowork-0123456789abcdef") == session)
        #expect(DomainName.session(of: "cowork-0123456789abcdeg") == nil)
        #expect(DomainName.session(of: "other-0123456789abcdef") == nil)
        #expect(DomainName.uuid(of: session) == "01234567-89ab-8cde-a00f-636f776f726b")
    }
}

extension DomainDescription.Kind {
    static let allForTests: [Self] = [.kvm, .emulated, .pretended]
}

private let golden = """
    <domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
      <name>cowork-0123456789abcdef</name>
      <uuid>01234567-89ab-8cde-a00f-636f776f726b</uuid>
      <memory unit='b'>1073741824</memory>
      <memoryBacking>
        <source type='memfd'/>
        <access mode='shared'/>
      </memoryBacking>
      <vcpu placement='static'>2</vcpu>
      <sysinfo type='fwcfg'>
        <entry name='opt/dev.cowork/secret' file='/run/cowork/machines/0123456789abcdef/secret'/>
      </sysinfo>
      <os>
        <type arch='x86_64' machine='q35'>hvm</type>
        <kernel>/run/cowork/i/0/base/vmlinux</kernel>
        <initrd>/run/cowork/i/0/base/initramfs</initrd>
        <cmdline>quiet a=b</cmdline>
      </os>
      <features>
        <acpi/>
        <apic/>
      </features>
      <cpu mode='maximum'/>
      <clock offset='utc'/>
      <on_poweroff>destroy</on_poweroff>
      <on_reboot>destroy</on_reboot>
      <on_crash>destroy</on_crash>
      <devices>
        <emulator>/usr/bin/qemu-system-x86_64</emulator>
        <disk type='file' device='disk'>
          <driver name='qemu' type='raw' cache='writeback'/>
          <source file='/run/cowork/i/0/base/root.erofs'/>
          <target dev='vda' bus='virtio'/>
          <readonly/>
          <address type='pci' domain='0x0000' bus='0x00' slot='0x02' function='0x0'/>
        </disk>
        <disk type='file' device='disk'>
          <driver name='qemu' type='raw' cache='writeback' discard='unmap' detect_zeroes='unmap'/>
          <source file='/run/cowork/machines/0123456789abcdef/disk.raw'/>
          <target dev='vdb' bus='virtio'/>
          <address type='pci' domain='0x0000' bus='0x00' slot='0x03' function='0x0'/>
        </disk>
        <controller type='usb' model='none'/>
        <controller type='pci' index='0' model='pcie-root'/>
        <controller type='pci' index='1' model='pcie-root-port'/>
        <controller type='pci' index='2' model='pcie-root-port'/>
        <controller type='pci' index='3' model='pcie-root-port'/>
        <controller type='pci' index='4' model='pcie-root-port'/>
        <controller type='pci' index='5' model='pcie-root-port'/>
        <filesystem type='mount'>
          <driver type='virtiofs' queue='1024'/>
          <source socket='/run/cowork/s/0123456789abcdef/f0.sock'/>
          <target dir='f0'/>
        </filesystem>
        <serial type='unix'>
          <source mode='connect' path='/run/cowork/s/0123456789abcdef/console.sock'/>
          <target type='isa-serial' port='0'/>
        </serial>
        <memballoon model='none'/>
      </devices>
      <qemu:commandline>
        <qemu:arg value='-chardev'/>
        <qemu:arg value='socket,id=cowork-vsock,path=/run/cowork/s/0123456789abcdef/vsock.sock'/>
        <qemu:arg value='-device'/>
        <qemu:arg value='vhost-user-vsock-pci,id=cowork-vsock-device,chardev=cowork-vsock,bus=pcie.0,addr=0x1d'/>
      </qemu:commandline>
    </domain>

    """
