/// An internet address, or a run of addresses of one family.
package struct Address: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let isV6: Bool
    package let value: UInt128

    package init(v4 value: UInt32) {
        isV6 = false
        self.value = UInt128(value)
    }
    package init(v6 value: UInt128) {
        isV6 = true
        self.value = value
    }

    package static func < (left: Address, right: Address) -> Bool {
        left.isV6 == right.isV6 ? left.value < right.value : !left.isV6
    }

    /// The plain spelling: dotted decimal, or RFC 5952.
    package var description: String {
        guard isV6 else {
            let bits = UInt32(truncatingIfNeeded: value)
            return "\(bits >> 24).\(bits >> 16 & 255).\(bits >> 8 & 255).\(bits & 255)"
        }
        let groups = (0..<8).map { UInt16(truncatingIfNeeded: value >> (112 - 16 * UInt128($0))) }
        var best = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, groups[end] == 0 { end += 1 }
            if end - start > max(1, best.count) { best = start..<end }
            start = max(end, start + 1)
        }
        func joined(_ range: Range<Int>) -> String {
            range.map { String(groups[$0], radix: 16) }.joined(separator: ":")
        }
        if best.isEmpty { return joined(0..<8) }
        return joined(0..<best.lowerBound) + "::" + joined(best.upperBound..<8)
    }

    /// The address as plainly written, or nil. Brackets around an IPv6 address are fine.
    package init?(plain written: some StringProtocol) {
        var text = String(written)
        if text.hasPrefix("["), text.hasSuffix("]") {
            text = String(text.dropFirst().dropLast())
            guard text.contains(":") else { return nil }
        }
        if text.contains(":") {
            guard let value = Self.v6(text) else { return nil }
            self.init(v6: value)
        } else {
            guard let value = Self.dotted(text) else { return nil }
            self.init(v4: value)
        }
    }

    private static func dotted(_ text: String) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (48...57).contains($0) }),
                part.utf8.count == 1 || part.utf8.first != 48, let number = UInt32(part), number < 256
            else { return nil }
            value = value << 8 | number
        }
        return value
    }

    private static func v6(_ text: String) -> UInt128? {
        func groups(_ part: Substring) -> [UInt16]? {
            if part.isEmpty { return [] }
            var result: [UInt16] = []
            let pieces = part.split(separator: ":", omittingEmptySubsequences: false)
            for (index, piece) in pieces.enumerated() {
                if piece.contains("."), index == pieces.count - 1 {
                    guard let low = dotted(String(piece)) else { return nil }
                    result += [UInt16(low >> 16), UInt16(low & 0xFFFF)]
                } else {
                    guard (1...4).contains(piece.utf8.count), piece.utf8.allSatisfy(isHex),
                        let group = UInt16(piece, radix: 16)
                    else { return nil }
                    result.append(group)
                }
            }
            return result
        }
        var found: [UInt16]
        if let gap = text.firstRange(of: "::") {
            guard let front = groups(text[..<gap.lowerBound]), let back = groups(text[gap.upperBound...]),
                front.count + back.count < 8, !text[gap.upperBound...].contains("::")
            else { return nil }
            found = front + Array(repeating: 0, count: 8 - front.count - back.count) + back
        } else {
            guard let all = groups(text[...]), all.count == 8 else { return nil }
            found = all
        }
        return found.reduce(0) { $0 << 16 | UInt128($1) }
    }

    private static func isHex(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (97...102).contains(byte) || (65...70).contains(byte)
    }

    /// Every spelling that some program takes for an address: octal, hexadecimal, one to four parts.
    package init?(anySpelling written: some StringProtocol) {
        if let plain = Address(plain: written) {
            self = plain
            return
        }
        var text = written.lowercased()
        if text.hasPrefix("["), text.hasSuffix("]") { text = String(text.dropFirst().dropLast()) }
        if text.contains(":") {
            if let zone = text.firstIndex(of: "%") { text = String(text[..<zone]) }
            guard let value = Self.v6(text) else { return nil }
            self.init(v6: value)
            return
        }
        if text.hasSuffix(".") { text.removeLast() }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...4).contains(parts.count) else { return nil }
        var numbers: [UInt64] = []
        for part in parts {
            let number: UInt64?
            if part.hasPrefix("0x") {
                number = part.count == 2 ? 0 : UInt64(part.dropFirst(2), radix: 16)
            } else if part.hasPrefix("0"), part.count > 1 {
                number = UInt64(part.dropFirst(), radix: 8)
            } else {
                number = part.utf8.allSatisfy { (48...57).contains($0) } ? UInt64(part) : nil
            }
            guard let number else { return nil }
            numbers.append(number)
        }
        guard let last = numbers.popLast(), numbers.allSatisfy({ $0 < 256 }),
            last < 1 << (8 * UInt64(4 - numbers.count))
        else { return nil }
        var value: UInt64 = 0
        for (index, number) in numbers.enumerated() { value |= number << UInt64(24 - 8 * index) }
        self.init(v4: UInt32(truncatingIfNeeded: value | last))
    }

    /// The IPv4 address that this IPv6 address carries: mapped, compatible, 6to4, Teredo, NAT64, ISATAP.
    package var carried: Address? {
        guard isV6 else { return nil }
        func low(_ shift: UInt128) -> Address { Address(v4: UInt32(truncatingIfNeeded: value >> shift)) }
        if value >> 32 == 0xFFFF { return low(0) }
        if value >> 32 == 0, value > 1 { return low(0) }
        if value >> 112 == 0x2002 { return low(80) }
        if value >> 96 == 0x2001_0000 { return Address(v4: ~UInt32(truncatingIfNeeded: value)) }
        if value >> 32 == 0x0064_FF9B_0000_0000_0000_0000 { return low(0) }
        if value >> 80 == 0x0064_FF9B_0001 {
            // RFC 6052 with a 48-bit prefix: 16 bits, the reserved byte, 16 bits.
            let high = UInt32(truncatingIfNeeded: value >> 64) & 0xFFFF
            return Address(v4: high << 16 | (UInt32(truncatingIfNeeded: value >> 40) & 0xFFFF))
        }
        let interface = UInt32(truncatingIfNeeded: value >> 32)
        if interface == 0x0000_5EFE || interface == 0x0200_5EFE { return low(0) }
        return nil
    }
}

/// A block of addresses: one, or a prefix.
package struct AddressRange: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let first: Address
    package let prefix: UInt8

    package init(_ address: Address) {
        first = address
        prefix = address.isV6 ? 128 : 32
    }

    /// Nil when the prefix is too long or bits beyond it are set.
    package init?(_ address: Address, prefix: Int) {
        let width = address.isV6 ? 128 : 32
        guard (0...width).contains(prefix) else { return nil }
        first = address
        self.prefix = UInt8(prefix)
        guard address.value & hostMask == 0 else { return nil }
    }

    package static func v4(_ value: UInt32, _ prefix: UInt8) -> AddressRange {
        AddressRange(unchecked: Address(v4: value), prefix)
    }
    package static func v6(_ value: UInt128, _ prefix: UInt8) -> AddressRange {
        AddressRange(unchecked: Address(v6: value), prefix)
    }
    private init(unchecked address: Address, _ prefix: UInt8) {
        first = address
        self.prefix = prefix
    }

    private var hostMask: UInt128 {
        let free = UInt128(first.isV6 ? 128 : 32) - UInt128(prefix)
        return free == 128 ? .max : (UInt128(1) << free) - 1
    }

    package var last: Address {
        first.isV6
            ? Address(v6: first.value | hostMask) : Address(v4: UInt32(truncatingIfNeeded: first.value | hostMask))
    }
    package var isSingle: Bool { prefix == (first.isV6 ? 128 : 32) }

    package func contains(_ address: Address) -> Bool {
        address.isV6 == first.isV6 && address.value & ~hostMask == first.value
    }
    package func contains(_ other: AddressRange) -> Bool { other.prefix >= prefix && contains(other.first) }
    package func meets(_ other: AddressRange) -> Bool { contains(other) || other.contains(self) }

    package static func < (left: AddressRange, right: AddressRange) -> Bool {
        left.first == right.first ? left.prefix < right.prefix : left.first < right.first
    }

    package var description: String { isSingle ? "\(first)" : "\(first)/\(prefix)" }

    /// The block that a range with bits beyond its prefix was probably meant to be.
    package static func trimmed(_ address: Address, prefix: Int) -> AddressRange? {
        let width = address.isV6 ? 128 : 32
        guard (0...width).contains(prefix) else { return nil }
        let shell = AddressRange(unchecked: address, UInt8(prefix))
        let value = address.value & ~shell.hostMask
        return address.isV6
            ? AddressRange(Address(v6: value), prefix: prefix)
            : AddressRange(Address(v4: UInt32(truncatingIfNeeded: value)), prefix: prefix)
    }
}
