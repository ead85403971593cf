/// `org.varlink.service`, which every varlink service speaks: who it is and which interfaces it has.
package enum ServiceAPI {
    package static let interface = "org.varlink.service"

    package enum GetInfo: VarlinkMethod {
        package typealias Parameters = Nothing
        package static let name = "org.varlink.service.GetInfo"

        package struct Reply: Sendable, Codable, Equatable {
            package let vendor, product, version, url: String
            package let interfaces: [String]
        }

        package static func reply(version: String) -> Reply {
            Reply(
                vendor: "Cowork", product: "coworkd", version: version, url: "https://varlink.org",
                interfaces: [ServiceAPI.interface, DaemonAPI.interface])
        }
    }

    package enum GetInterfaceDescription: VarlinkMethod {
        package static let name = "org.varlink.service.GetInterfaceDescription"

        package struct Parameters: Sendable, Codable, Equatable {
            package let interface: String
            package init(interface: String) { self.interface = interface }
        }

        package struct Reply: Sendable, Codable, Equatable {
            package let description: String
            package init(description: String) { self.description = description }
        }

        /// Nil: no such interface.
        package static func reply(to parameters: Parameters) -> Reply? {
            switch parameters.interface {
            case DaemonAPI.interface: Reply(description: DaemonAPI.description)
            case ServiceAPI.interface: Reply(description: ServiceAPI.description)
            default: nil
            }
        }
    }

    package static let description = """
        # What every varlink service can be asked about itself
        interface org.varlink.service

        method GetInfo() -> (vendor: string, product: string, version: string, url: string, interfaces: []string)

        method GetInterfaceDescription(interface: string) -> (description: string)

        error InterfaceNotFound (interface: string)

        error MethodNotFound (method: string)

        error MethodNotImplemented (method: string)

        error InvalidParameter (parameter: string)

        error PermissionDenied ()

        error ExpectedMore ()

        """
}
