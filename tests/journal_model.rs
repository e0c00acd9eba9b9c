//! Every state of a session whose two programs keep journals, crash and lose their connection.
//!
//! A model, not the programs: its parts are named like those of `protocol/session` and
//! `journal`, and four rules can be switched off one by one. Each action moves one message, one
//! record or one line on, so every run of a few messages ends, and every order of them is tried.

use std::collections::VecDeque;

use stateright::{Checker, HasDiscoveries, Model, Property};

/// What the programs promise to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rules {
    /// A message is sent when its record is written.
    record_before_send: bool,
    /// A receipt is sent when the records of what it acknowledges are written.
    record_before_receipt: bool,
    /// One record holds a text and its number, so that neither is written without the other.
    text_with_number: bool,
    /// The peer may have whatever was recorded, and not only what this run of the program has sent.
    resume_by_record: bool,
}

const ALL_RULES: Rules = Rules {
    record_before_send: true,
    record_before_receipt: true,
    text_with_number: true,
    resume_by_record: true,
};

// The promises, and that there is something to promise.
const NOTHING_LOST: &str = "nothing is lost";
const NOTHING_INVENTED: &str = "nothing is invented";
const ONCE_IN_ORDER: &str = "everything comes once, and in order";
const MARK_IS_TRUE: &str = "what is marked is recorded there";
const NO_VIOLATION: &str = "nobody breaks the protocol";
const ALL_ARRIVES: &str = "everything arrives at last, and is marked";
const EVERYTHING_HAPPENS: &str = "everything happens";

/// A call between two people, and how much happens in it.
#[derive(Clone, Copy, Debug)]
struct Call {
    rules: Rules,
    /// How many messages the dialer says, and the listener.
    texts: [u8; 2],
    /// How often one of the programs is killed.
    crashes: u8,
    /// How often the connection is lost.
    cuts: u8,
}

/// The dialer and the listener, as indices.
const DIALER: usize = 0;
const BOTH: [usize; 2] = [DIALER, 1];

/// A message of one side: the n-th that its person types, whatever number it gets in the session.
type Text = u8;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    ends: [End; 2],
    connected: bool,
    crashes: u8,
    cuts: u8,
    violation: Option<&'static str>,
}

/// One side: its person, its disk and its program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct End {
    /// How many messages the person has typed.
    typed: Text,
    /// What a crash leaves.
    journal: Vec<Record>,
    program: Program,
    /// What is on the way to this side.
    wire: VecDeque<Line>,
}

/// What a crash loses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Program {
    /// Records that are not written yet.
    unwritten: VecDeque<Record>,
    outbox: Outbox,
    /// How many of the peer's messages were shown to the person.
    shown: usize,
    connection: Option<ConnectionState>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Outbox {
    /// The messages of the session: the n-th has the number n.
    messages: Vec<Text>,
    acknowledged: usize,
    /// The number of the last message that was sent on this connection.
    last_sent: usize,
    /// The highest number that this run of the program has sent.
    highest_sent: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct ConnectionState {
    hello_received: bool,
    /// The last number that was acknowledged to the peer.
    receipt_sent: usize,
}

/// A line of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Record {
    Said(Text),
    Heard(Text),
    /// The number of what was heard, where it is not in the same record.
    Number(usize),
    Acknowledged(usize),
}

/// A line on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Line {
    Hello { received: usize },
    Text(Text),
    Received(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Connect,
    Cut,
    /// The person sends a message.
    Say(usize),
    /// The next record is written.
    Write(usize),
    /// The next message is sent.
    Send(usize),
    /// What was shown is acknowledged.
    SendReceipt(usize),
    /// The next line is received.
    Receive(usize),
    /// The program is killed and started again.
    Crash(usize),
}

impl Action {
    /// Whether nobody but the programs is needed for it, so that it will happen.
    fn is_progress(self) -> bool {
        !matches!(self, Self::Say(_) | Self::Crash(_) | Self::Cut)
    }
}

impl Outbox {
    fn acknowledge(&mut self, number: usize) -> Result<(), &'static str> {
        if number > self.last_sent {
            return Err("it acknowledged messages that were never sent");
        }
        if number < self.acknowledged {
            return Err("it took an acknowledgement back");
        }
        self.acknowledged = number;
        Ok(())
    }

    fn resume(&mut self, rules: Rules, number: usize) -> Result<(), &'static str> {
        let last = match rules.resume_by_record {
            true => self.messages.len(),
            false => self.highest_sent,
        };
        if number > last {
            return Err("it claims to have messages that were never sent");
        }
        if number < self.acknowledged {
            return Err("it lost messages that it had acknowledged");
        }
        self.last_sent = number;
        Ok(())
    }
}

impl Program {
    /// A program that starts with this journal.
    fn restore(journal: &[Record], rules: Rules) -> Self {
        let acknowledged = journal.iter().rev().find_map(|record| match record {
            Record::Acknowledged(number) => Some(*number),
            _ => None,
        });
        let messages: Vec<Text> = said(journal).collect();
        let acknowledged = acknowledged.unwrap_or(0);
        Self {
            outbox: Outbox {
                messages,
                acknowledged,
                last_sent: acknowledged,
                highest_sent: 0,
            },
            shown: heard_number(journal, rules),
            ..Self::default()
        }
    }
}

impl End {
    /// The number of the last message that may be sent.
    fn sendable(&self, rules: Rules) -> usize {
        match rules.record_before_send {
            true => said(&self.journal).count(),
            false => self.program.outbox.messages.len(),
        }
    }

    /// The number of the last message that may be acknowledged to the peer.
    fn receiptable(&self, rules: Rules) -> usize {
        match rules.record_before_receipt {
            true => heard_number(&self.journal, rules),
            false => self.program.shown,
        }
    }

    fn hello(&self) -> Line {
        Line::Hello {
            received: self.program.shown,
        }
    }
}

fn said(journal: &[Record]) -> impl Iterator<Item = Text> {
    journal.iter().filter_map(|record| match record {
        Record::Said(text) => Some(*text),
        _ => None,
    })
}

fn heard(journal: &[Record]) -> impl Iterator<Item = Text> {
    journal.iter().filter_map(|record| match record {
        Record::Heard(text) => Some(*text),
        _ => None,
    })
}

/// The number of the last message that was heard, as the journal has it.
fn heard_number(journal: &[Record], rules: Rules) -> usize {
    if rules.text_with_number {
        return heard(journal).count();
    }
    let number = journal.iter().rev().find_map(|record| match record {
        Record::Number(number) => Some(*number),
        _ => None,
    });
    number.unwrap_or(0)
}

impl State {
    fn disconnect(&mut self) {
        self.connected = false;
        for end in &mut self.ends {
            end.program.connection = None;
            end.wire.clear();
        }
    }

    /// The sender's and the receiver's view, each way.
    fn directions(&self) -> impl Iterator<Item = (&End, &End)> {
        BOTH.map(|end| (&self.ends[end], &self.ends[1 - end]))
            .into_iter()
    }

    fn receive(&mut self, rules: Rules, at: usize, line: Line) -> Result<(), &'static str> {
        let end = &mut self.ends[at];
        match line {
            Line::Hello { received } => {
                // The listener answers the dialer's hello.
                let mut answer = None;
                let connection = end.program.connection.get_or_insert_with(|| {
                    answer = Some(Line::Hello {
                        received: end.program.shown,
                    });
                    ConnectionState::default()
                });
                connection.hello_received = true;
                end.program.outbox.resume(rules, received)?;
                self.ends[1 - at].wire.extend(answer);
            }
            Line::Text(text) => {
                let program = &mut end.program;
                program.shown += 1;
                program.unwritten.push_back(Record::Heard(text));
                if !rules.text_with_number {
                    program.unwritten.push_back(Record::Number(program.shown));
                }
            }
            Line::Received(number) => {
                let program = &mut end.program;
                program.outbox.acknowledge(number)?;
                program.unwritten.push_back(Record::Acknowledged(number));
            }
        }
        Ok(())
    }
}

impl Model for Call {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            ends: Default::default(),
            connected: false,
            crashes: 0,
            cuts: 0,
            violation: None,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.violation.is_some() {
            return;
        }
        if !state.connected {
            actions.push(Action::Connect);
        } else if state.cuts < self.cuts {
            actions.push(Action::Cut);
        }
        for (at, end) in state.ends.iter().enumerate() {
            if end.typed < self.texts[at] {
                actions.push(Action::Say(at));
            }
            if !end.program.unwritten.is_empty() {
                actions.push(Action::Write(at));
            }
            if !end.wire.is_empty() {
                actions.push(Action::Receive(at));
            }
            if state.crashes < self.crashes {
                actions.push(Action::Crash(at));
            }
            let connection = end.program.connection.as_ref();
            if let Some(connection) = connection.filter(|connection| connection.hello_received) {
                if end.program.outbox.last_sent < end.sendable(self.rules) {
                    actions.push(Action::Send(at));
                }
                if connection.receipt_sent < end.receiptable(self.rules) {
                    actions.push(Action::SendReceipt(at));
                }
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Connect => {
                state.connected = true;
                let hello = state.ends[DIALER].hello();
                state.ends[DIALER].program.connection = Some(ConnectionState::default());
                state.ends[1 - DIALER].wire.push_back(hello);
            }
            Action::Cut => {
                state.cuts += 1;
                state.disconnect();
            }
            Action::Say(at) => {
                let end = &mut state.ends[at];
                end.typed += 1;
                end.program.outbox.messages.push(end.typed);
                end.program.unwritten.push_back(Record::Said(end.typed));
            }
            Action::Write(at) => {
                let end = &mut state.ends[at];
                let record = end.program.unwritten.pop_front()?;
                end.journal.push(record);
            }
            Action::Send(at) => {
                let outbox = &mut state.ends[at].program.outbox;
                let text = *outbox.messages.get(outbox.last_sent)?;
                outbox.last_sent += 1;
                outbox.highest_sent = outbox.highest_sent.max(outbox.last_sent);
                state.ends[1 - at].wire.push_back(Line::Text(text));
            }
            Action::SendReceipt(at) => {
                let end = &mut state.ends[at];
                let number = end.receiptable(self.rules);
                end.program.connection.as_mut()?.receipt_sent = number;
                state.ends[1 - at].wire.push_back(Line::Received(number));
            }
            Action::Receive(at) => {
                let line = state.ends[at].wire.pop_front()?;
                state.violation = state.receive(self.rules, at, line).err();
            }
            Action::Crash(at) => {
                state.crashes += 1;
                state.disconnect();
                let end = &mut state.ends[at];
                end.program = Program::restore(&end.journal, self.rules);
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NOTHING_LOST, |_, state: &State| {
                state.directions().all(|(from, to)| {
                    let newest = heard(&to.journal).max().unwrap_or(0);
                    said(&from.journal)
                        .filter(|text| *text < newest)
                        .all(|text| heard(&to.journal).any(|heard| heard == text))
                })
            }),
            Property::always(NOTHING_INVENTED, |_, state: &State| {
                state.directions().all(|(from, to)| {
                    heard(&to.journal).all(|text| said(&from.journal).any(|said| said == text))
                })
            }),
            Property::always(ONCE_IN_ORDER, |_, state: &State| {
                state.directions().all(|(_, to)| {
                    let heard: Vec<Text> = heard(&to.journal).collect();
                    heard.is_sorted_by(|earlier, later| earlier < later)
                })
            }),
            Property::always(MARK_IS_TRUE, |_, state: &State| {
                state.directions().all(|(from, to)| {
                    let outbox = &from.program.outbox;
                    let marked = &outbox.messages[..outbox.acknowledged.min(outbox.messages.len())];
                    let there = heard(&to.journal).collect::<Vec<_>>();
                    there.starts_with(marked)
                })
            }),
            Property::always(NO_VIOLATION, |_, state: &State| state.violation.is_none()),
            Property::always(ALL_ARRIVES, |call, state| {
                let mut actions = Vec::new();
                call.actions(state, &mut actions);
                let at_rest = state.violation.is_none()
                    && !actions.into_iter().any(|action| {
                        action.is_progress() && call.next_state(state, action).is_some()
                    });
                !at_rest
                    || state.directions().all(|(from, to)| {
                        let outbox = &from.program.outbox;
                        outbox.acknowledged == outbox.messages.len()
                            && said(&from.journal).eq(heard(&to.journal))
                    })
            }),
            Property::sometimes(EVERYTHING_HAPPENS, |call: &Call, state: &State| {
                let heard = BOTH.map(|at| heard(&state.ends[1 - at].journal).count());
                (state.crashes, state.cuts) == (call.crashes, call.cuts)
                    && heard == call.texts.map(usize::from)
            }),
        ]
    }
}

/// Small calls that together have everything in them: either side speaks, and both.
const CALLS: [[u8; 2]; 3] = [[3, 0], [0, 3], [1, 1]];

fn call(rules: Rules, texts: [u8; 2]) -> Call {
    Call {
        rules,
        texts,
        crashes: 2,
        cuts: 1,
    }
}

/// Searches the runs of a call until one is found of each of the `wanted`, or there are no more.
fn search(call: Call, wanted: HasDiscoveries) -> impl Checker<Call> {
    call.checker().finish_when(wanted).spawn_bfs().join()
}

/// Whether some run of these calls breaks this promise.
fn breaks(rules: Rules, promise: &'static str) -> bool {
    CALLS.into_iter().any(|texts| {
        let wanted = HasDiscoveries::AnyOf([promise].into());
        let checker = search(call(rules, texts), wanted);
        checker.discovery(promise).is_some()
    })
}

#[test]
fn all_rules_together_keep_every_promise() {
    std::thread::scope(|threads| {
        for texts in CALLS {
            threads.spawn(move || {
                let checker = search(call(ALL_RULES, texts), HasDiscoveries::AnyFailures);
                checker.assert_properties();
                assert!(checker.unique_state_count() > 10_000, "{texts:?}");
            });
        }
    });
}

#[test]
fn without_any_of_the_rules_a_promise_is_broken() {
    for off in 1..1 << 4 {
        let rules = Rules {
            record_before_send: off & 1 == 0,
            record_before_receipt: off & 2 == 0,
            text_with_number: off & 4 == 0,
            resume_by_record: off & 8 == 0,
        };
        let found = CALLS.into_iter().any(|texts| {
            let checker = search(call(rules, texts), HasDiscoveries::AnyFailures);
            let mut broken = checker.discoveries();
            broken.remove(EVERYTHING_HAPPENS);
            !broken.is_empty()
        });
        assert!(found, "{rules:?} keep every promise");
    }
}

/// No promise is one that nothing can break, and each rule is there for a reason.
#[test]
fn each_promise_is_broken_without_a_rule_of_its_own() {
    let all = ALL_RULES;
    let unrecorded_send = Rules {
        record_before_send: false,
        ..all
    };
    let unrecorded_receipt = Rules {
        record_before_receipt: false,
        ..all
    };
    let number_later = Rules {
        text_with_number: false,
        ..all
    };
    let resume_by_sent = Rules {
        resume_by_record: false,
        ..all
    };
    for (rules, promise) in [
        (unrecorded_send, NOTHING_LOST),
        (unrecorded_send, NOTHING_INVENTED),
        (unrecorded_send, ALL_ARRIVES),
        (unrecorded_receipt, MARK_IS_TRUE),
        (number_later, ONCE_IN_ORDER),
        (resume_by_sent, NO_VIOLATION),
    ] {
        assert!(breaks(rules, promise), "{rules:?} keep it: {promise}");
    }
}
