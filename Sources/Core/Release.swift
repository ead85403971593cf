/// This version of Cowork, the same in every program of it.
package enum Release {
    package static let version = "0.1.0"
}
