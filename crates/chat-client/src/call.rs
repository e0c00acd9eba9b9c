//! The client around its call: what it knows of the server, and the way back to it.

use std::future::{Future, pending};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use chat_core::Blocking;
use chat_core::driver::{Action, CallDriver, Command, Host, RESUME_WINDOW, Renewal, Sink, Source};
use chat_core::files::{FileCommand, OpenFile, Transfers};
use chat_core::journal::{Journal, JournalError};
use chat_core::protocol::{CloseReason, Disconnect, Event, Peer, Remark, Renewed};
use chat_core::transport::{ConnectError, Dial};
use chat_core::trust::FirstContactError;
use chat_core::wire::{Control, Name, Presence, SessionId};
use chat_terminal::peer::{self, Dialed, PeerRecord};
use chat_terminal::record::{self, Record};
use chat_terminal::{exit, locale};

use crate::Config;
use crate::first_contact::{FirstContact, Work};
use crate::reconnect::Reconnect;
use crate::ways::{Way, Ways};

/// The program around a call to a server.
pub(crate) struct Client<D: Dial> {
    peer: PeerRecord,
    ways: Arc<Ways<D>>,
    /// Counts the tries to learn the safety number, until it is known.
    first_contact: Option<FirstContact>,
    /// The try that is being counted.
    counting: Option<Work>,
    /// The number is known, and they are being forgotten.
    forgetting: Option<Blocking<()>>,
    /// The person's, as the server is told.
    presence: Presence,
    note: Note,
    /// The way back.
    reconnect: Reconnect<D>,
    /// Whether a lost connection is made again.
    reconnects: bool,
    record: Record,
    /// The person was shown the call before there was a connection.
    is_shown: bool,
    /// The call is to go on in another session, whose journal is being begun.
    renewing: Option<Renewing>,
    /// To be shown.
    notices: Vec<Event>,
    files: Transfers,
    /// What is to be offered; the call ends when it is taken.
    errand: Option<Vec<PathBuf>>,
    /// The errand is done.
    done: bool,
}

/// Whether a line can be left for the person there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Note {
    /// The server has not answered yet.
    TooEarly,
    /// This side waits.
    Possible,
    /// One was left, or the call has begun.
    TooLate,
}

/// A new session, with its journal.
type Renewing = Pin<
    Box<dyn Future<Output = (SessionId, Result<Option<(Journal, bool)>, JournalError>)> + Send>,
>;

impl<D: Dial + 'static> Client<D> {
    /// In a call with `peer`. The `ways` to it accept only its key.
    pub(crate) fn new(
        ways: Arc<Ways<D>>,
        config: &Config,
        peer: Peer,
        first_contact: Option<FirstContact>,
        record: Record,
    ) -> Self {
        let keyring = ways.trust().keyring().cloned();
        let key = peer.security.fingerprint();
        let open = open_file(Arc::clone(&ways));
        let mut files = Transfers::new(key, Some(open), config.files.clone());
        let errand = Some(config.send_files.clone()).filter(|paths| !paths.is_empty());
        // A peer without a key takes no files, which is told and is the end.
        let hopeless = key.is_none() && errand.is_some();
        if hopeless {
            files.command(FileCommand::Send(Vec::new()));
        }
        let is_patient = config.when_there.is_some();
        let give_up_after = (!is_patient).then(|| config.redial_for.unwrap_or(RESUME_WINDOW));
        Self {
            files,
            errand,
            done: hopeless,
            first_contact: first_contact.filter(|_| peer.security.is_unverified()),
            counting: None,
            forgetting: None,
            presence: Presence::Here,
            note: Note::TooEarly,
            peer: PeerRecord::new(peer, keyring),
            ways: Arc::clone(&ways),
            reconnect: Reconnect::new(ways, give_up_after, config.call_config.graceful),
            reconnects: is_patient || config.redial_for.is_some(),
            record,
            is_shown: false,
            renewing: None,
            notices: Vec::new(),
        }
    }

    /// Makes the first connection. Returns what shows a person at a screen, who may talk already, a
    /// call in which nobody is there yet.
    pub(crate) fn begin(&mut self, interactive: bool) -> Vec<Event> {
        self.reconnect.begin();
        self.is_shown = interactive;
        if !interactive {
            return Vec::new();
        }
        let mut events = vec![Event::Established(self.peer.peer().clone())];
        self.record.show_earlier(&mut events);
        events
    }

    /// Before a nonce for the safety number is sent, it is written down that it was. If that
    /// cannot be done, it is not sent. The call goes on: who cuts it learns nothing from that.
    fn count_try<In: Source, Out: Sink>(&mut self, call: &mut CallDriver<'_, In, Out>) {
        if let Some(first_contact) = &mut self.first_contact {
            if call.announce_nonce() {
                self.counting = Some(first_contact.record());
            } else if !first_contact.has_tried() {
                self.counting = Some(first_contact.begin_check());
            }
        }
    }

    fn command_files(&mut self, command: FileCommand) -> Action {
        self.files.command(command);
        Action::Files(self.files.take_output())
    }

    /// Once all that was to be offered is taken or refused, the call ends.
    fn check_errand(&mut self) {
        self.done |= self.files.is_idle() && self.errand.take().is_some();
    }

    fn keep_tries(&mut self) {
        if let Some(first_contact) = &mut self.first_contact {
            first_contact.keep();
        }
    }

    /// What the errand adds to the exit code of the call.
    pub(crate) fn errand_code(&self) -> u8 {
        match self.files.unsuccessful() {
            (0, _) if self.errand.is_none() => exit::OK,
            (all, declined) if all == declined && self.errand.is_none() => exit::BUSY,
            _ => exit::FAILED,
        }
    }

    /// The call is over. Returns how it was recorded.
    pub(crate) async fn ended(self, reason: &CloseReason) -> Record {
        self.files.stop().await;
        if let Some(first_contact) = self.first_contact {
            first_contact.ended(reason).await;
        }
        if let Some(forgetting) = self.forgetting {
            forgetting.await;
        }
        self.record
    }
}

impl<D, In, Out> Host<In, Out> for Client<D>
where
    D: Dial + 'static,
    In: Source,
    Out: Sink,
{
    async fn next(&mut self) -> Action {
        if !self.notices.is_empty() {
            return Action::Show(std::mem::take(&mut self.notices));
        }
        if std::mem::take(&mut self.done) {
            return Action::HangUp;
        }
        tokio::select! {
            output = self.files.next() => {
                self.check_errand();
                Action::Files(output)
            }
            mut events = self.peer.next() => {
                self.record.show_earlier(&mut events);
                if self.is_shown {
                    events.iter_mut().for_each(no_longer_new);
                }
                Action::Show(events)
            }
            (id, begun) = begun(&mut self.renewing) => {
                let journal = begun.unwrap_or_else(|error| {
                    self.notices.push(self.record.fail(&error));
                    None
                });
                self.reconnect.begin_anew();
                Action::Renew(Box::new(Renewal {
                    id,
                    journal,
                    reveal_after: None,
                    connected: None,
                }))
            }
            counted = counted(&mut self.counting), if !self.peer.is_remembering() => match counted {
                Ok(()) => Action::Show(Vec::new()),
                Err(error) => {
                    self.keep_tries();
                    Action::WithholdNonce(Event::Notice(locale::text().no_number_yet(&error)))
                }
            },
            action = self.reconnect.next() => action,
        }
    }

    fn is_remembering(&self) -> bool {
        self.peer.is_remembering() || self.counting.is_some()
    }

    fn established(&mut self, call: &mut CallDriver<'_, In, Out>, name: Name) {
        self.note = Note::TooLate;
        let way = self.ways.last();
        let dialed = way.map(|way| Dialed {
            address: way.connector.dialer.address(),
            by_name: way.connector.is_by_name(),
        });
        self.peer.met(name, dialed);
        self.answered(call);
        if let Some(paths) = self.errand.clone() {
            self.files.command(FileCommand::Send(paths));
        }
    }

    fn renamed(&mut self, name: Name) {
        self.peer.renamed(name);
    }

    fn answered(&mut self, call: &mut CallDriver<'_, In, Out>) {
        self.reconnect.answered();
        if let Some(session) = call.session_id()
            && let Some(known) = call.peer_knows_files()
        {
            self.files.connected(session, call.cookie(), known);
        }
        if self.note == Note::TooEarly {
            self.note = Note::Possible;
        }
        self.count_try(call);
    }

    fn file(&mut self, control: Control) -> Action {
        self.files.control(control);
        self.check_errand();
        Action::Files(self.files.take_output())
    }

    fn renewed(&mut self, renewed: Renewed) -> Event {
        record::renewed(self.peer.peer(), renewed)
    }

    fn unrecorded(&mut self, error: JournalError) -> Event {
        self.record.fail(&error)
    }

    fn number_shown(&mut self) {
        let known = self.first_contact.take();
        self.forgetting = known.map(FirstContact::clear);
    }

    fn disconnected(&mut self, call: &CallDriver<'_, In, Out>) -> Action {
        self.keep_tries();
        match self.reconnects {
            true => self.reconnect.lost(call.cookie()),
            false => Action::GiveUp(Disconnect::Cut),
        }
    }

    fn doubted(&mut self, call: &CallDriver<'_, In, Out>, doubted: bool) {
        if self.reconnects {
            self.reconnect.doubted(doubted, call.cookie());
        }
    }

    fn forgotten(&mut self, call: &CallDriver<'_, In, Out>) -> Action {
        self.keep_tries();
        let id = SessionId::random();
        let texts = call.unacknowledged();
        let begun = self.record.begin_anew(self.peer.peer(), id, texts);
        self.renewing = Some(Box::pin(async move { (id, begun.await) }));
        Action::Show(Vec::new())
    }

    fn command(&mut self, call: &mut CallDriver<'_, In, Out>, command: Command) -> Action {
        match command {
            Command::Keep => Action::Show(vec![self.record.keep(call)]),
            Command::Quit => Action::HangUp,
            Command::File(command) => self.command_files(command),
            // Nobody rings at the side that calls.
            Command::Decline(words) => self.command_files(FileCommand::declined(words.as_deref())),
            Command::Away(text) => {
                let (presence, notice) = peer::away(&self.presence, text);
                self.presence = presence.clone();
                Action::Remark(Remark::Presence(presence), vec![notice])
            }
            Command::Name(name) => {
                let notice = Event::Notice(locale::text().you_are_called(&name));
                Action::Remark(Remark::Name(name.into()), vec![notice])
            }
            Command::Note(text) if self.note == Note::Possible => {
                self.note = Note::TooLate;
                let notice = Event::Notice(locale::text().note_left().to_owned());
                Action::Remark(Remark::Note(text), vec![notice])
            }
            command => Action::Show(self.peer.answer(&command, call.safety_number())),
        }
    }
}

/// The person was shown the call before.
fn no_longer_new(event: &mut Event) {
    if let Event::Established(peer) = event {
        *event = Event::Peer(peer.clone());
    }
}

/// How connections for files are made: as the last connection of the call was.
fn open_file<D: Dial + 'static>(ways: Arc<Ways<D>>) -> OpenFile {
    Arc::new(move |cookie| {
        let way = ways.last();
        let name = ways.called().to_owned();
        Box::pin(async move {
            let Some(Way { connector, path }) = way else {
                let errors = Vec::new();
                return Err(ConnectError::NoWay { name, errors });
            };
            connector.connect_for_file(cookie, path.packets()).await
        })
    })
}

/// Waits until the journal of a new session is begun, or forever if there is none.
async fn begun(
    renewing: &mut Option<Renewing>,
) -> (SessionId, Result<Option<(Journal, bool)>, JournalError>) {
    let Some(begun) = renewing else {
        return pending().await;
    };
    let begun = begun.await;
    *renewing = None;
    begun
}

/// Waits until the try is counted, or forever if there is none.
async fn counted(counting: &mut Option<Work>) -> Result<(), FirstContactError> {
    let Some(work) = counting else {
        return pending().await;
    };
    let counted = work.await;
    *counting = None;
    counted
}
