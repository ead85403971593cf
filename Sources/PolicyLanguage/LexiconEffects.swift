/// The words that say whether something may happen. One line of phrases per meaning; the reference is printed from them.
package enum Lexicon {
    /// How a sentence may begin.
    package enum Opening: Sendable, Hashable {
        case allow, deny
        /// "prevent X from": needs a subject.
        case prevent
        case negation, no
        case ask
        /// "ask for": before a noun, or after a semicolon.
        case askFor
        case onlyAllow, allowOnly
        /// "grant access to"
        case grant
        /// "it is fine to"
        case fine, notFine
        case hide
        case dontAsk
    }

    package static let openings = PhraseTable<Opening>([
        ("allow|permit|let|authorize|authorise|i allow|i permit|always allow|always permit", .allow),
        ("grant|give", .grant),
        ("deny|block|forbid|ban|refuse|disallow|prohibit|reject|i forbid|always block|always deny", .deny),
        ("prevent|stop|bar|keep", .prevent),
        ("never|do not|don't|dont|do never|never ever", .negation),
        ("no", .no),
        (
            "ask before|ask me before|ask me first before|ask first before|always ask before|always ask me before|"
                + "ask for permission before|ask for my permission before|ask me for permission before|"
                + "ask my permission before|ask for approval before|ask for my approval before|"
                + "check with me before|check with me first before|always check with me before|confirm with me before|"
                + "always confirm with me before|get my permission before|get my approval before|prompt me before",
            .ask
        ),
        (
            "request approval before|request permission before|request my approval before|"
                + "wait for my approval before|ask me when it wants to|ask me whenever it wants to|"
                + "ask when it wants to|ask whenever it wants to|ask me if it wants to|ask if it wants to|"
                + "ask me before any|ask before any|ask me before every|ask before every",
            .ask
        ),
        ("ask for|ask me for|ask about|ask me about|check with me for|confirm with me for", .askFor),
        ("only allow|only permit|only let", .onlyAllow),
        ("allow only|permit only|let only", .allowOnly),
        (
            "it's fine|it is fine|it's ok|it is ok|it's okay|it is okay|it's all right|it is all right|it's alright|"
                + "it is acceptable|it's acceptable|feel free",
            .fine
        ),
        (
            "it's not fine|it is not fine|it's not ok|it is not ok|it's not okay|it is not okay|it isn't ok|"
                + "it isn't okay|it is not acceptable|it isn't fine",
            .notFine
        ),
        ("hide|conceal", .hide),
        (
            "don't ask|do not ask|never ask|dont ask|don't check with me|do not check with me|never check with me|"
                + "do not confirm with me|don't confirm with me",
            .dontAsk
        ),
    ])

    /// Whom a sentence speaks of.
    package static let subjects = PhraseTable<Bool>([
        (
            "the agent|agent|it|claude|codex|programs|the programs|anything in the guest|the guest|programs in the guest|"
                + "everything in the guest|any program|any program in the guest|the assistant|the ai|agents|the agents|"
                + "all programs|code in the guest|processes|processes in the guest|you",
            true
        )
    ])

    package struct Modal: Sendable, Hashable {
        package enum Next: Sendable, Hashable { case verb, access }
        package let effect: Effect
        package let claims: Bool
        package let next: Next
        package init(_ effect: Effect, claims: Bool = false, next: Next = .verb) {
            self.effect = effect
            self.claims = claims
            self.next = next
        }
    }

    /// What stands between a subject and its verb.
    package static let modals = PhraseTable<Modal>([
        (
            "may|can|is allowed to|are allowed to|is permitted to|are permitted to|is free to|are free to|"
                + "should be allowed to|should be able to|has permission to|have permission to|may always|can always|"
                + "is welcome to|may freely|can freely|may also|can also|is also allowed to",
            Modal(.allow)
        ),
        (
            "may only|can only|is only allowed to|are only allowed to|is allowed only to|are allowed only to|"
                + "is only permitted to|are only permitted to|should only|must only|shall only|is allowed to only|"
                + "should only be able to|should only be allowed to",
            Modal(.allow, claims: true)
        ),
        (
            "may not|can not|cannot|can't|cant|must not|mustn't|should not|shouldn't|shall not|is not allowed to|"
                + "are not allowed to|isn't allowed to|aren't allowed to|is not permitted to|are not permitted to|"
                + "isn't permitted to|aren't permitted to|is forbidden to|are forbidden to|is forbidden from|"
                + "are forbidden from|is prohibited from|are prohibited from|may never|can never|must never|should never",
            Modal(.deny)
        ),
        (
            "shall never|is never allowed to|are never allowed to|is never to|is not to|are not to|are never to|"
                + "is barred from|is blocked from|are blocked from|is banned from|should not be able to|"
                + "shouldn't be able to|should not be allowed to|shouldn't be allowed to|should never be allowed to|"
                + "should never be able to|is never permitted to|must not be allowed to|must not be able to|"
                + "must never be allowed to|does not get to|never gets to",
            Modal(.deny)
        ),
        (
            "must ask before|must ask me before|should ask before|should ask me before|has to ask before|"
                + "has to ask me before|have to ask before|have to ask me before|needs to ask before|"
                + "needs to ask me before|need to ask before|need to ask me before|must check with me before|"
                + "should check with me before|has to check with me before|needs to check with me before|"
                + "must get my permission before|must get my approval before|must confirm with me before",
            Modal(.ask)
        ),
        (
            "should confirm with me before|must always ask before|must always ask me before|"
                + "should always ask before|should always ask me before|must ask for permission before|"
                + "must ask me for permission before|should ask for permission before|needs my permission before|"
                + "needs my approval before|needs permission before|must first ask before|must ask first before|"
                + "must ask me first before|should ask me first before|shall ask before|shall ask me before|"
                + "needs my permission to|needs my approval to|needs permission to",
            Modal(.ask)
        ),
        (
            "has access to|have access to|may have access to|gets access to|is allowed access to|can have access to",
            Modal(.allow, next: .access)
        ),
        (
            "has no access to|have no access to|must have no access to|should have no access to|"
                + "should not have access to|shouldn't have access to|must not have access to|may not have access to|"
                + "does not have access to|gets no access to|is denied access to|"
                + "must never have access to|should never have access to|may never have access to",
            Modal(.deny, next: .access)
        ),
        (
            "has access only to|only has access to|may only have access to|should only have access to|"
                + "only gets access to",
            Modal(.allow, claims: true, next: .access)
        ),
    ])

    /// "… is allowed": an effect said at the end.
    package static let passives = PhraseTable<PassiveVerb>([
        (
            "is allowed|are allowed|is permitted|are permitted|is fine|are fine|is ok|are ok|is okay|are okay|"
                + "is always allowed|are always allowed|is all right|are all right|may be reached|can be reached|"
                + "may be used|can be used|may be visited|may be contacted|should be allowed|should be permitted",
            PassiveVerb(.allow, "")
        ),
        (
            "is not allowed|are not allowed|isn't allowed|aren't allowed|is blocked|are blocked|is denied|are denied|"
                + "is forbidden|are forbidden|is banned|are banned|is prohibited|are prohibited|is not permitted|"
                + "are not permitted|isn't permitted|aren't permitted|is never allowed|are never allowed|is off limits|"
                + "are off limits|is off-limits|are off-limits|must be blocked|should be blocked|must be denied",
            PassiveVerb(.deny, "")
        ),
        (
            "should be denied|is not ok|are not ok|is not okay|are not okay|is not fine|are not fine|must not be used|"
                + "may not be used|must not be reached|may not be reached|must never be reached|must never be used|"
                + "cannot be reached|cannot be used|is refused|are refused|is disallowed|are disallowed|"
                + "should not be allowed|must not be allowed|must never be allowed|should never be allowed|"
                + "may never be reached|may never be used|stays blocked|stay blocked|is always blocked|"
                + "are always blocked|is always denied|are always denied",
            PassiveVerb(.deny, "")
        ),
        (
            "needs my approval|need my approval|needs my permission|need my permission|requires my approval|"
                + "require my approval|requires my permission|require my permission|needs approval|need approval|"
                + "requires approval|require approval|needs permission|need permission|requires permission|"
                + "require permission|must be approved|needs to be approved|need to be approved|must be approved by me|"
                + "needs my ok|need my ok|requires confirmation|require confirmation|needs confirmation|need confirmation",
            PassiveVerb(.ask, "")
        ),
        (
            "is read-only|are read-only|is read only|are read only|must stay read-only|stays read-only|must be read-only",
            PassiveVerb(.allow, "read-only")
        ),
        ("may be read|can be read", PassiveVerb(.allow, "read")),
        (
            "may be changed|can be changed|may be edited|can be edited|may be modified|can be modified|"
                + "may be written to",
            PassiveVerb(.allow, "change")
        ),
        ("may be deleted|can be deleted|may be removed|can be removed", PassiveVerb(.allow, "delete")),
        (
            "must not be read|may not be read|must never be read|should not be read|cannot be read|"
                + "should never be read|may never be read",
            PassiveVerb(.deny, "read")
        ),
        (
            "must not be changed|may not be changed|must never be changed|should not be changed|must not be edited|"
                + "must not be modified|may not be modified|must never be modified|should never be changed|"
                + "may never be changed|cannot be changed|must never be edited|may not be edited|"
                + "must not be written to",
            PassiveVerb(.deny, "change")
        ),
        (
            "must not be deleted|may not be deleted|must never be deleted|should not be deleted|must not be removed|"
                + "may not be removed|must never be removed|should never be deleted|may never be deleted|"
                + "cannot be deleted",
            PassiveVerb(.deny, "delete")
        ),
        (
            "must not be touched|may not be touched|must never be touched|should not be touched|"
                + "should never be touched|may never be touched",
            PassiveVerb(.deny, "touch")
        ),
        (
            "must stay hidden|is hidden|are hidden|must be hidden|should be hidden|stays hidden|stay hidden|"
                + "stays out of sight|must stay out of sight",
            PassiveVerb(.deny, "hide")
        ),
    ])

    package struct PassiveVerb: Sendable, Hashable {
        package let effect: Effect
        package let verb: String
        package init(_ effect: Effect, _ verb: String) {
            self.effect = effect
            self.verb = verb
        }
    }

    /// A second clause about the thing just named: "but never change it".
    package static let furtherClauses = PhraseTable<Modal>([
        ("but never|and never|but must never|but may never|and may never|and must never", Modal(.deny)),
        (
            "but may not|but must not|but cannot|but can't|but don't|but do not|and may not|and must not|and cannot|"
                + "but can not|but should not|but shouldn't|but is not allowed to|but it may not|but it must not|"
                + "but it cannot|and it may not|and it must not|but it can't|but not",
            Modal(.deny)
        ),
        (
            "but ask before|but ask me before|and ask before|and ask me before|but must ask before|"
                + "but must ask me before|but check with me before|but should ask before|but has to ask before|"
                + "but it must ask before",
            Modal(.ask)
        ),
        (
            "and may|and can|but may|but can|and is allowed to|and it may|but it may|and it can|but it can",
            Modal(.allow)
        ),
    ])
}
