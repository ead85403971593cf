internal import Glibc
internal import Synchronization
internal import System

/// The one thread that talks to the database: SQLite blocks, and the threads of the language must not.
final class StoreThread: SerialExecutor {
    private let waiting = Mutex<[UnownedJob]>([])
    private let semaphore: Semaphore

    init() throws(SystemError) {
        semaphore = Semaphore()
        // The thread lives as long as the process: a store is opened once.
        try NamedThread.start("store") { [self] in
            let executor = asUnownedSerialExecutor()
            while true {
                semaphore.wait()
                let jobs = waiting.withLock { jobs in
                    defer { jobs = [] }
                    return jobs
                }
                for job in jobs { job.runSynchronously(on: executor) }
            }
        }
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        waiting.withLock { $0.append(job) }
        semaphore.post()
    }

    /// A POSIX semaphore; it must not move, so it lives on the heap.
    private final class Semaphore: @unchecked Sendable {
        private let pointer: UnsafeMutablePointer<sem_t>
        init() {
            pointer = .allocate(capacity: 1)
            sem_init(pointer, 0, 0)
        }
        deinit {
            sem_destroy(pointer)
            pointer.deallocate()
        }
        func wait() { while sem_wait(pointer) != 0 && errno == EINTR {} }
        func post() { sem_post(pointer) }
    }
}
