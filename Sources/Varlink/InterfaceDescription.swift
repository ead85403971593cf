extension DaemonAPI {
    /// `docs/api/dev.cowork.varlink`, byte for byte: a test compares them.
    package static let description = """
        # Sessions: small Linux machines that see only the folders you approved.
        #
        # Spoken on the daemon's unix socket, $XDG_RUNTIME_DIR/cowork/daemon.sock. The kernel tells the daemon who calls; a
        # session belongs to the user who started it, and to anybody else it does not exist.
        interface dev.cowork

        type Folder (path: string, mode: string)

        type Session (
          name: string,
          id: string,
          # starting, running, stopping, stopped or failed
          state: string,
          # why, with failed; the next step
          because: ?string,
          hint: ?string,
          folders: []Folder,
          command: []string,
          # RFC 3339
          created: string,
          started: ?string,
          ended: ?string,
          accelerator: ?string,
          image: string,
          cpus: int,
          memory: int,
          disk: int,
          # of the command given to Start, once it ended
          exitStatus: ?int
        )

        # A program to run in the guest. Without a slash it is looked up in the guest's PATH.
        type Process (
          arguments: []string,
          # KEY=value
          environment: ?[]string,
          # the session's first folder if it is not given, or the user's home if there is none
          directory: ?string,
          user: ?string,
          terminal: ?bool,
          rows: ?int,
          columns: ?int,
          deadlineMilliseconds: ?int
        )

        type Progress (stage: string, text: string)

        type GuestStatus (
          memoryTotal: int,
          memoryAvailable: int,
          diskTotal: int,
          diskAvailable: int,
          agentResident: int,
          uptimeMilliseconds: int,
          processes: int
        )

        type Check (
          id: string,
          # ok, warn or fail
          status: string,
          detail: string,
          remedy: ?string
        )

        type LogEntry (
          at: ?string,
          # an event of the session (text), or bytes its command printed (data, base64)
          kind: string,
          text: ?string,
          data: ?string
        )

        # Boots a machine for these folders. With `more`, progress comes before the session. With `more` and `upgrade`, `process`
        # runs once the machine is up, the last reply has the session, and the connection then carries the process as frames
        # (docs/protocol.md); the session ends with the process. Without `upgrade`, `process` runs detached; its output is kept
        # for Logs and the session ends with it; without `process` the session runs until Stop.
        method Start(
          folders: []string,
          mode: ?string,
          name: ?string,
          process: ?Process,
          cpus: ?int,
          memory: ?int,
          disk: ?int
        ) -> (session: ?Session, progress: ?Progress)

        # Runs a program in a session. With `upgrade` the connection then carries it as frames. Otherwise call it with `more`:
        # output comes as base64 chunks, the last reply has the exit status, and the daemon closes the connection.
        # `stdin` is base64, at most 1 MiB.
        method Exec(session: string, process: Process, stdin: ?string) -> (stdout: ?string, stderr: ?string, exitStatus: ?int)

        # Your sessions; ended ones too with `all`.
        method List(all: ?bool) -> (sessions: []Session)

        # One session, by name or id; `guest` while it runs.
        method Show(session: string) -> (session: Session, guest: ?GuestStatus)

        # A session's events and its command's output, or all your sessions' events. With `more` and `follow` it goes on.
        method Logs(session: ?string, follow: ?bool) -> (session: ?string, entry: ?LogEntry)

        # Ends a session's machine; `force` does not wait for the guest.
        method Stop(session: string, force: ?bool) -> (session: Session)

        # Forgets an ended session; with `force` ends it first.
        method Remove(session: string, force: ?bool) -> ()

        # What this machine can do, and what to do about the rest. `probe` tries the accelerator again.
        method Doctor(probe: ?bool) -> (
          checks: []Check,
          accelerator: (kind: string, because: string),
          daemon: (pid: int, version: string, socket: string)
        )

        method Version() -> (version: string, protocol: int)

        # Every failure. `code` is stable; `message` and `hint` are for people.
        error Fault (code: string, message: string, hint: ?string)

        """
}
