//! Where the person sits and takes one call after the other.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use chat_core::conversation::{
    Command, Conversation, Ending, Event, Input, LinkState, Loss, Peer, Plain, Protocol, Security,
    Session, SessionConfig, Sink, Source, Step, at,
};
use chat_core::trust::Keyring;
use chat_terminal::peer::{self, PeerRecord};
use chat_terminal::{exit, locale};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::Config;
use crate::caller::{Caller, Introduction};
use crate::doorbell::Doorbell;
use crate::switchboard::Switchboard;
use crate::waiting_room::{News, WaitingRoom};

/// How long the place of an interrupted call is kept.
const GRACE: Duration = Duration::from_secs(5 * 60);

/// The person, and everything that comes before them.
pub struct Desk<'p, In, Out> {
    pub config: Config,
    pub keyring: Keyring,
    pub room: Arc<WaitingRoom>,
    pub news: mpsc::Receiver<News>,
    pub doorbell: Doorbell,
    pub switchboard: Arc<Switchboard>,
    pub source: &'p mut In,
    pub sink: &'p mut Out,
    /// The exit code, once the program is to end.
    pub quitting: Option<u8>,
}

impl<In: Source, Out: Sink> Desk<'_, In, Out> {
    /// Takes calls until the program is to end. Answers the exit code.
    pub async fn serve<F>(mut self, mut shutdown: Pin<&mut F>) -> io::Result<u8>
    where
        F: Future<Output = u8>,
    {
        loop {
            let Some(caller) = self.wait(shutdown.as_mut()).await? else {
                return Ok(self.quitting.unwrap_or(exit::OK));
            };
            let code = self.call(caller, shutdown.as_mut()).await;
            if self.quitting.is_some() || self.config.once {
                return Ok(self.quitting.unwrap_or(code));
            }
        }
    }

    /// Waits for the next caller, or for the person to quit.
    async fn wait<F>(&mut self, mut shutdown: Pin<&mut F>) -> io::Result<Option<Caller>>
    where
        F: Future<Output = u8>,
    {
        let room = Arc::clone(&self.room);
        let interactive = self.config.interactive;
        let mut next = pin!(room.next());
        let mut shown = false;
        loop {
            let notice = tokio::select! {
                caller = &mut next => return Ok(Some(caller)),
                input = self.source.next(), if self.config.interactive => match input? {
                    Input::Command(Command::Quit) => return Ok(None),
                    Input::Command(Command::Next) => locale::NOBODY_WAITS.into(),
                    Input::Command(Command::Peers) => peer::list(&self.keyring),
                    Input::Typing(_) => continue,
                    _ => locale::NOBODY_THERE.into(),
                },
                flushed = self.sink.flushed(), if !shown => match flushed {
                    // Nobody reads what the next caller says.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(None),
                    flushed => {
                        flushed?;
                        shown = true;
                        continue;
                    }
                },
                Some(news) = self.news.recv() => {
                    // Whoever comes or leaves now has not waited.
                    let refused = Some(news).filter(|news| matches!(news, News::Refused(_)));
                    match refused.and_then(|news| tell(&mut self.doorbell, news, 0, interactive)) {
                        Some(notice) => notice,
                        None => continue,
                    }
                }
                code = shutdown.as_mut() => {
                    self.quitting = Some(code);
                    return Ok(None);
                }
            };
            self.sink.show(Event::Notice(notice));
            shown = false;
        }
    }

    /// Holds one call to its end. Answers the exit code that goes with it.
    async fn call<F>(&mut self, caller: Caller, mut shutdown: Pin<&mut F>) -> u8
    where
        F: Future<Output = u8>,
    {
        let Caller {
            peer,
            link,
            introduction,
        } = caller;
        let mut resumed = self.switchboard.begin(introduction.as_ref());
        let key = introduction.as_ref().map(|introduction| introduction.key);
        let protocol = self.protocol(&peer, introduction.as_ref());
        let manners = self.config.manners.clone();
        let interactive = self.config.interactive;
        let mut call = Conversation::new(protocol, manners, self.source, self.sink);
        let mut peer = PeerRecord::new(peer, Some(self.keyring.clone()), None);
        let mut link = Some(link);
        let mut give_up_at = None;
        let mut ending = match introduction {
            Some(introduction) => call.connected(introduction.contact).err().map(Ending::from),
            None => {
                call.show(Event::Call(peer.peer().clone()));
                None
            }
        };
        while self.news.try_recv().is_ok() {}
        call.show(Event::Waiting(self.room.waiting()));
        let ending = loop {
            if let Some(ending) = ending {
                break ending;
            }
            // Whoever was cut off and begins anew, after a crash say, does not wait for itself.
            // One who came while the other was still heard is a second caller with that key.
            let heard = call.last_heard();
            if link.is_none() && key.is_some_and(|key| self.room.has_since(key, heard)) {
                break call.give_up(Loss::CalledAnew);
            }
            tokio::select! {
                step = call.over(link.as_mut()) => match step {
                    Step::Ended(end) => ending = Some(end),
                    Step::Met(met) => call.show_all(peer.met(met)),
                    Step::Answered => {}
                    Step::Cut => {
                        link = None;
                        give_up_at = Some(Instant::now() + GRACE);
                        call.show(Event::Link(LinkState::Reconnecting(0)));
                    }
                    Step::Command(Command::Quit) => {
                        self.quitting = Some(exit::OK);
                        call.hang_up();
                    }
                    Step::Command(Command::Next) if self.room.waiting() == 0 => {
                        call.show(Event::Notice(locale::NOBODY_WAITS.into()));
                    }
                    Step::Command(Command::Next) => call.hang_up(),
                    Step::Command(command) => {
                        let comparable = call.has_safety_number();
                        call.show_all(peer.answer(command, comparable));
                    }
                },
                Some((again, contact)) = resumed.recv() => {
                    if call.is_outdated(&contact) {
                        continue;
                    }
                    if link.replace(again).is_some() {
                        ending = call.disconnected(Loss::Cut);
                    }
                    if ending.is_none() {
                        give_up_at = None;
                        ending = call.connected(contact).err().map(Ending::from);
                    }
                }
                () = at(give_up_at) => ending = Some(call.give_up(Loss::Silent(GRACE))),
                Some(news) = self.news.recv() => {
                    let waiting = self.room.waiting();
                    let notice = tell(&mut self.doorbell, news, waiting, interactive);
                    call.show_all(notice.map(Event::Notice));
                    call.show(Event::Waiting(waiting));
                }
                code = shutdown.as_mut(), if self.quitting.is_none() => {
                    self.quitting = Some(code);
                    call.hang_up();
                }
            }
        };
        self.switchboard.end(&ending, call.last_words());
        tokio::select! {
            ended = call.end(ending, link) => exit::code(&ended),
            code = shutdown, if self.quitting.is_none() => *self.quitting.insert(code),
        }
    }

    /// What this side speaks with a caller.
    fn protocol(&self, peer: &Peer, introduction: Option<&Introduction>) -> Box<dyn Protocol> {
        match introduction.and_then(Introduction::conversation) {
            None if peer.security == Security::Plaintext => Box::new(Plain::new()),
            None => Box::new(Plain::over_tls()),
            Some(conversation) => Box::new(Session::new(SessionConfig {
                name: self.config.name.clone(),
                peer: peer.clone(),
                conversation,
            })),
        }
    }
}

/// What the person is told of the door, if it is not too much.
fn tell(doorbell: &mut Doorbell, news: News, waiting: usize, commands: bool) -> Option<String> {
    let unmentioned = doorbell.ring()?;
    let notice = match news {
        News::Came(peer) => locale::caller_waits(&peer, waiting, commands),
        News::Left(peer) => locale::caller_left(&peer),
        News::TurnedAway(peer) => locale::caller_turned_away(&peer),
        News::Refused(reason) => locale::refused(&reason),
    };
    Some(locale::after_others(notice, unmentioned))
}
