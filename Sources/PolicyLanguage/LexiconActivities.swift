extension Lexicon {
    package enum Verb: Sendable, Hashable {
        case reach, use, access, touch, upload, download, read, change, delete, hide, apply, inspect, spend, run
    }

    package static let verbs = PhraseTable<Verb>([
        (
            "reach|reaching|reaches|connect to|connecting to|connects to|connect|connecting|connects|talk to|talking to|"
                + "talks to|talk with|talking with|speak to|speaking to|speaks to|speak with|communicate with|"
                + "communicating with|communicates with|contact|contacting|contacts|visit|visiting|visits|browse|browsing|"
                + "browses|browse to|browsing to|go to|going to|goes to|navigate to|navigating to|connect with",
            .reach
        ),
        (
            "open connections to|opening connections to|opens connections to|open a connection to|"
                + "opening a connection to|make connections to|making connections to|makes connections to|"
                + "make a connection to|making a connection to|connecting with|connects with|get to|getting to|gets to",
            .reach
        ),
        ("use|using|uses|make use of|making use of|makes use of", .use),
        (
            "access|accessing|accesses|access to|any access to|all access to|get access to|getting access to|gets access to|have access to|having access to",
            .access
        ),
        ("touch|touching|touches|go near|going near", .touch),
        ("upload|uploading|uploads|send|sending|sends", .upload),
        ("download|downloading|downloads|fetch|fetching|fetches", .download),
        (
            "read|reading|reads|read from|reading from|reads from|look at|looking at|looks at|view|viewing|views|see|"
                + "seeing|sees",
            .read
        ),
        (
            "change|changing|changes|edit|editing|edits|modify|modifying|modifies|write to|writing to|writes to|write in|"
                + "writing in|writes in|write into|writing into|write|writing|writes|alter|altering|alters|create|"
                + "creating|creates|rename|renaming|renames|make changes to|making changes to|makes changes to",
            .change
        ),
        (
            "make changes in|making changes in|save to|saving to|save files in|save files to|overwrite|overwriting|"
                + "overwrites|"
                + "work on|work in|working in|create or change|"
                + "create and change|create and edit|create or edit|edit and create|edit and rename|creating or editing|"
                + "creating or changing|edit or rename|change or rename|changing or renaming|change or create|"
                + "edit or create|edit or create|add to|adding to",
            .change
        ),
        (
            "delete|deleting|deletes|remove|removing|removes|erase|erasing|erases|get rid of|getting rid of|"
                + "delete from|deleting from|unlink|unlinking|remove from|removing from",
            .delete
        ),
        ("hide|hiding", .hide),
        ("apply|applying|applies", .apply),
        (
            "inspect|inspecting|look into|looking into|look inside|looking inside|decrypt|decrypting|intercept|"
                + "intercepting",
            .inspect
        ),
        ("spend|spending|spends", .spend),
        ("run for|running for|work for|run|work", .run),
    ])

    /// Verbs that people join.
    package static let verbPairs = PhraseTable<[FileActivity]>([
        (
            "change and delete|edit and delete|change or delete|edit or delete|modify and delete|modify or delete|"
                + "change and remove|change or remove|edit or remove|changing or deleting|changing and deleting|"
                + "editing or deleting|modifying or deleting|write and delete|write or delete|writing or deleting|"
                + "create and delete|delete or change|deleting or changing|delete or edit|deleting or editing|"
                + "delete and change|delete or rename|deleting or renaming|rename or delete|renaming or deleting|"
                + "create or delete|create, change and delete",
            [.change, .delete]
        ),
        ("read and delete|read or delete|reading or deleting", [.read, .delete]),
        (
            "read and write|read and change|reading and writing|read and edit|read and modify|read and write to|"
                + "read or write|read or change|reading or changing|reading or writing|read or edit|read or modify|"
                + "read or write to|reading and changing|read from or write to|read or touch|read and write in",
            [.read, .change]
        ),
    ])

    package enum Noun: Sendable, Hashable {
        case connections, anyConnection, downloads, uploads, requests, changes, deletions, reads
    }

    /// Activities said as nouns, before a preposition.
    package static let nouns = PhraseTable<Noun>([
        (
            "connections|connection|a connection|outgoing connections|outbound connections|network access|visits|"
                + "all network access|any network access|network connections|outgoing network traffic|"
                + "new connections|outgoing traffic|outbound traffic|traffic|network traffic",
            .connections
        ),
        (
            "any connection|any connections|all connections|every connection|any traffic|all traffic|"
                + "any network traffic|any kind of connection|any outgoing connection|any outgoing connections|"
                + "any network connection|any network connections|all network traffic|all network connections",
            .anyConnection
        ),
        ("downloads|any downloads|all downloads|any download", .downloads),
        ("uploads|any uploads|all uploads|any upload", .uploads),
        ("requests|web requests|any requests|any request|all requests", .requests),
        ("changes|edits|writes|any changes|any change|modifications|write access|any edits|all changes", .changes),
        ("deletions|any deletions|any deletion|deletion|removal", .deletions),
        ("read access|read-only access|reads", .reads),
    ])

    /// What is sent or fetched; saying it changes nothing.
    package static let payloads = PhraseTable<Bool>([
        (
            "anything|files|data|any data|any files|any file|something|things|code|my files|my data|my code|packages|"
                + "stuff|any code|any packages|content|information|any information|documents|a file|releases|"
                + "source code|archives|artifacts|dependencies|crates|wheels|images|anything at all",
            true
        )
    ])

    package enum PlaceWord: Sendable, Hashable {
        case internet, localNetwork, thisComputer, metadata, registries, anywhere, elsewhere
    }

    package static let places = PhraseTable<PlaceWord>([
        (
            "the internet|internet|internet access|all internet access|any internet access|the public internet|the whole internet|the open internet|the entire internet|"
                + "anywhere on the internet|any host on the internet|any site on the internet|"
                + "any website on the internet|any server on the internet|anything on the internet|"
                + "everything on the internet|hosts on the internet|sites on the internet|servers on the internet",
            .internet
        ),
        (
            "the local network|local network|my local network|our local network|this local network|the lan|my lan|"
                + "anything on the local network|hosts on the local network|any host on the local network|"
                + "machines on the local network|devices on the local network|anything on my local network|"
                + "any machine on the local network|any device on the local network|"
                + "everything on the local network|the local area network|other machines on the local network",
            .localNetwork
        ),
        (
            "this computer|my computer|this machine|my machine|the host computer|the host machine|"
                + "this computer itself|services on this computer|anything on this computer|"
                + "programs on this computer|services on my computer|anything on my computer",
            .thisComputer
        ),
        (
            "the cloud metadata service|cloud metadata|the metadata service|metadata services|"
                + "cloud metadata services|the cloud metadata services|the instance metadata service|"
                + "the cloud's metadata service|the metadata services|cloud metadata service|the cloud metadata|"
                + "the cloud metadata server|the metadata server|cloud metadata servers",
            .metadata
        ),
        (
            "the package registries|package registries|the package registry|the configured package registries|"
                + "my package registries|our package registries|this computer's package registries",
            .registries
        ),
        (
            "anywhere|everywhere|any host|any site|any website|any server|any domain|any place|anyone|all hosts|"
                + "all sites|all websites|all servers|every host|every site|every website|every server|any address|"
                + "anywhere at all|any web site|any machine",
            .anywhere
        ),
        (
            "anywhere else|everywhere else|any other host|any other site|any other website|any other server|"
                + "any other domain|other hosts|other sites|other websites|other servers|other domains|"
                + "all other hosts|all other sites|all other websites|all other servers|all other domains|"
                + "other places|any other place|all other places|all other connections|any other connection|"
                + "other connections|all other traffic|any other traffic|other traffic|every other connection|"
                + "every other host|every other site|"
                + "every other website|every other server|any other address|any other machine|anyone else",
            .elsewhere
        ),
    ])

    package static let anythingElse = PhraseTable<Bool>([
        (
            "anything else|everything else|any other file|other files|all other files|any other files|all else|"
                + "the rest|every other file",
            true
        )
    ])

    /// After a name: how far it reaches. A plural one speaks of every name listed before it.
    package struct Reach: Sendable, Hashable {
        package let scope: NameScope
        package let plural: Bool
        package init(_ scope: NameScope, plural: Bool = false) {
            self.scope = scope
            self.plural = plural
        }
    }
    package static let reaches = PhraseTable<Reach>([
        (
            "and its subdomains|and all its subdomains|and all of its subdomains|and any subdomain|"
                + "and any of its subdomains|and every subdomain|and subdomains|and all subdomains|"
                + "and everything under it|and everything below it|and everything beneath it|and anything under it|"
                + "and anything below it|and anything beneath it|with subdomains|with its subdomains|"
                + "with all its subdomains|with all subdomains|including subdomains|including its subdomains",
            Reach(.wide)
        ),
        (
            "including all subdomains|including all its subdomains|including all of its subdomains|"
                + "including everything under it|or its subdomains|or any of its subdomains|or any subdomain|"
                + "or anything under it|or subdomains|or everything under it|and every subdomain of it|"
                + "as well as its subdomains|as well as all its subdomains|and hosts under it|and sites under it|"
                + "plus its subdomains|and any subdomains",
            Reach(.wide)
        ),
        (
            "and their subdomains|and all their subdomains|and all of their subdomains|and everything under them|"
                + "and everything below them|and everything beneath them|including their subdomains|"
                + "including all their subdomains|with their subdomains|with all their subdomains|"
                + "or their subdomains|or any of their subdomains|or anything under them|and anything under them|"
                + "as well as their subdomains|and any of their subdomains",
            Reach(.wide, plural: true)
        ),
        (
            "but not its subdomains|but not any subdomain|but not any of its subdomains|but no subdomains|"
                + "except its subdomains|without its subdomains|without subdomains|but not the subdomains|"
                + "but not subdomains|excluding subdomains|excluding its subdomains|but none of its subdomains|"
                + "but not anything under it|but nothing under it|not its subdomains|not including its subdomains|"
                + "but not everything under it",
            Reach(.exact)
        ),
        (
            "but not their subdomains|without their subdomains|excluding their subdomains|"
                + "but none of their subdomains|except their subdomains|but nothing under them",
            Reach(.exact, plural: true)
        ),
    ])

    /// Before a name: only what is beneath it.
    package static let underPrefixes = PhraseTable<Bool>([
        (
            "subdomains of|all subdomains of|any subdomain of|every subdomain of|the subdomains of|a subdomain of|"
                + "sites under|all sites under|any site under|hosts under|all hosts under|any host under|"
                + "everything under|anything under|everything beneath|anything beneath|everything below|anything below|"
                + "every site under|every host under|names under|all names under|any name under|domains under|"
                + "all domains under|servers under|all servers under|websites under|any subdomains of|any server under",
            true
        )
    ])

    /// Words before a host name that change nothing.
    package static let hostArticles = PhraseTable<Bool>([
        (
            "the website|the web site|the site|the host|the server|the domain|the websites|the sites|the hosts|"
                + "the servers|the domains|the address|the addresses|the range|the ranges|the network|the subnet|"
                + "website|site|host|server|domain|hosts|websites|sites|servers|domains|the machine|the machines|"
                + "addresses in|any address in|all addresses in|addresses",
            true
        )
    ])

    package static let services = PhraseTable<ServiceTerm>([
        ("http|plain http|unencrypted http", .named("http", .tcp, 80)),
        ("https", .named("https", .tcp, 443)),
        ("ssh", .named("ssh", .tcp, 22)),
        ("git over ssh|git via ssh|git through ssh", .named("ssh", .tcp, 22)),
        ("git over https|git via https|git through https", .named("https", .tcp, 443)),
        ("ftp", .named("ftp", .tcp, 21)),
        ("telnet", .named("telnet", .tcp, 23)),
        ("smtp", .named("smtp", .tcp, 25)),
        ("ntp", .named("ntp", .udp, 123)),
        ("postgres|postgresql", .named("postgres", .tcp, 5432)),
        ("mysql", .named("mysql", .tcp, 3306)),
        ("redis", .named("redis", .tcp, 6379)),
        ("tcp|any tcp|all tcp", .transport(.tcp)),
        ("udp|any udp|all udp", .transport(.udp)),
    ])
    package static let serviceTails = PhraseTable<Bool>([
        ("connections|traffic|requests|connection|access|sessions", true)
    ])

    package static let prepositions = PhraseTable<Bool>([("to|with|at|for|from|towards|toward", true)])
    package static let exceptions = PhraseTable<Bool>([
        (
            "except|except for|except to|except from|except in|except at|except with|but not|but not to|but not from|"
                + "but not in|but not with|but not for|but not at|other than|other than to|other than from|apart from|"
                + "apart from in|aside from|unless it is|unless it's|unless it is to|unless it's to|excluding|"
                + "with the exception of|not including|but not including|save for|unless it is in|unless it's in",
            true
        )
    ])
    package static let carriers = PhraseTable<Bool>([
        ("over|via|by|through|using|with|only over|only via|only by|only using", true)
    ])

    package static let methods: Set<String> = [
        "get", "head", "post", "put", "patch", "delete", "options", "trace", "propfind",
    ]

    package static let programs = PhraseTable<ProgramActivity>([
        (
            "trace other programs|tracing other programs|trace other processes|tracing other processes|"
                + "debug other programs|debugging other programs|debug other processes|debugging other processes|"
                + "trace programs|trace processes|attach to other programs|attach to other processes|ptrace|use ptrace|"
                + "tracing of other programs|trace each other|debug each other|tracing|program tracing|"
                + "process tracing|trace one another",
            .trace
        ),
        (
            "raw sockets|use raw sockets|using raw sockets|open raw sockets|opening raw sockets|create raw sockets|"
                + "creating raw sockets|packet sockets|raw network sockets|raw socket|make raw sockets|"
                + "open a raw socket",
            .rawSockets
        ),
        (
            "new user namespaces|create user namespaces|creating user namespaces|create new user namespaces|"
                + "creating new user namespaces|make user namespaces|make new user namespaces|user namespaces|"
                + "use user namespaces|open user namespaces|use new user namespaces|open new user namespaces",
            .userNamespaces
        ),
        (
            "kernel modules|load kernel modules|loading kernel modules|new kernel modules|insert kernel modules",
            .kernelModules
        ),
        (
            "mounts|new mounts|mount file systems|mounting file systems|mount filesystems|mount anything|"
                + "mount disks|mounting|mounting anything|mount new file systems",
            .mounts
        ),
        (
            "bpf|use bpf|bpf programs|load bpf programs|loading bpf programs|kernel programs|ebpf programs|"
                + "load ebpf programs",
            .kernelPrograms
        ),
        ("io_uring|use io_uring|using io_uring", .asynchronousRings),
        ("set the clock|change the clock|setting the clock|changing the clock", .clock),
        ("reboot|reboot the guest|rebooting|restart the guest", .reboot),
        ("kernel keyrings|use kernel keyrings|keyrings|use keyrings", .keyrings),
    ])

    package static let applyKinds = PhraseTable<ApplyKind>([
        ("new files|creations|created files|file creations|added files|additions", .create),
        ("edits|edited files|changed files|modifications|modified files|changes to existing files|file edits", .edit),
        ("deletions|deleted files|deletes|removals|removed files|file deletions", .delete),
        ("renames|renamed files|moves|moved files", .rename),
        ("permission changes|mode changes|changed permissions", .mode),
        ("dangerous files|dangerous changes", .dangerous),
    ])

    package static let limitWords = PhraseTable<Bool>([
        (
            "at most|no more than|not more than|up to|at the most|a maximum of|maximum|max|limited to|never more than|"
                + "with at most|but at most|but no more than|with no more than|with a maximum of|with up to|"
                + "but not more than|only up to|a limit of|with a limit of|but never more than",
            true
        )
    ])
    package static let moreThan = PhraseTable<Bool>([("more than", true)])
}
