internal import Wire

/// The replies of `dev.cowork.Exec` that a client without connection upgrade is sent, each with its NUL.
enum VarlinkReply {
    static func output(_ bytes: [UInt8], _ channel: Channel) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(64 + bytes.count / 3 * 4 + 4)
        text += Array((channel == .error ? #"{"parameters":{"stderr":""# : #"{"parameters":{"stdout":""#).utf8)
        text += base64(bytes)
        text += Array(#""},"continues":true}"#.utf8)
        text.append(0)
        return text
    }

    static func exited(_ status: Int32) -> [UInt8] {
        Array(#"{"parameters":{"exitStatus":\#(status)}}"#.utf8) + [0]
    }

    static func fault(_ code: String, _ message: String) -> [UInt8] {
        Array(
            #"{"error":"dev.cowork.Fault","parameters":{"code":"\#(code)","message":"\#(escaped(message))"}}"#.utf8)
            + [0]
    }

    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func base64(_ bytes: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        var index = 0
        while index < bytes.count {
            let left = bytes.count - index
            let group =
                UInt32(bytes[index]) << 16 | (left > 1 ? UInt32(bytes[index + 1]) << 8 : 0)
                | (left > 2 ? UInt32(bytes[index + 2]) : 0)
            text.append(digits[Int(group >> 18)])
            text.append(digits[Int(group >> 12 & 63)])
            text.append(left > 1 ? digits[Int(group >> 6 & 63)] : 61)
            text.append(left > 2 ? digits[Int(group & 63)] : 61)
            index += 3
        }
        return text
    }

    private static func escaped(_ text: String) -> String {
        var shown = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": shown += "\\\""
            case "\\": shown += "\\\\"
            default:
                if scalar.value < 32 {
                    let digits = String(scalar.value, radix: 16)
                    shown += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                } else {
                    shown.unicodeScalars.append(scalar)
                }
            }
        }
        return shown
    }
}
