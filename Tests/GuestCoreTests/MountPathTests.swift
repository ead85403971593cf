import GuestCore
import Testing

@Suite struct MountPathTests {
    @Test(arguments: [
        "/home/ada", "/home/ada/Documents/a folder", "/root/work", "/root", "/home/agent", "/tmp/x", "/srv", "/srv/www",
        "/opt/tool", "/mnt", "/mnt/disk", "/media", "/var/www", "/usr/local/src", "/data", "/etc/nginx",
        "/run/media/ada/stick", "/library", "/home/ada/..hidden", "/home/ada/\"quote'\n",
    ])
    func aFolderMayAppearThere(_ path: String) throws {
        #expect(try MountPath(path).text == path)
    }

    @Test(arguments: [
        "/", "/usr", "/etc", "/bin", "/bin/x", "/sbin", "/lib", "/lib64", "/lib/x86_64-linux-gnu", "/usr/bin",
        "/usr/lib/x",
        "/usr/share", "/usr/local", "/var", "/var/lib", "/home", "/tmp", "/opt", "/proc", "/proc/1", "/sys/kernel",
        "/dev",
        "/dev/shm", "/run", "/run/lock", "/boot",
    ])
    func theGuestNeedsThatItself(_ path: String) {
        #expect(throws: MountPath.Unusable.self) { try MountPath(path) }
    }

    @Test(arguments: [
        "", "home", "./x", "/a/../b", "/a/./b", "/a//b", "/a/", "//a", "/..", "/a/..", "/a\0b",
        "/" + String(repeating: "n", count: 256), String(repeating: "/abc", count: 1024),
    ])
    func onlyPlainAbsolutePathsNameAPlace(_ path: String) {
        #expect(throws: MountPath.Unusable.self) { try MountPath(path) }
    }

    @Test func containsItselfAndWhatLiesInIt() throws {
        let place = try MountPath("/data")
        #expect(place.contains("/data"))
        #expect(place.contains("/data/x"))
        #expect(!place.contains("/database"))
        #expect(!place.contains("/"))
    }
}
