//! Waits for calls and holds them, one at a time.

mod caller;
mod listen;
mod waiting_room;

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use chat_core::conversation::{
    Command, Conversation, Event, Input, Manners, Plain, Sink, Source, Step,
};
use chat_core::wire::Framing;
use chat_terminal::{exit, words};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::sleep;

pub use caller::Caller;
pub use listen::{Listen, bind, parse_address, reachable};
pub use waiting_room::{News, WaitingRoom};

/// Handshakes at a time; more have to wait in the kernel's queue.
const HANDSHAKES: usize = 64;

/// Pause after a failed accept, which is most often a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the person asked of the server.
#[derive(Clone, Debug)]
pub struct Config {
    /// Callers who may wait while a call is on.
    pub backlog: usize,
    /// End after one call.
    pub once: bool,
    /// How messages are told apart with peers without chat/1.
    pub framing: Framing,
    /// How this side behaves in a call.
    pub manners: Manners,
    /// Whether a person at a terminal may give commands between the calls too.
    pub interactive: bool,
}

/// Takes calls from `listener` until the person quits, `shutdown` brings an exit code, or, with
/// `once`, the first call is over. Answers the exit code.
///
/// # Errors
/// The person's side failed.
pub async fn run<L, In, Out>(
    listener: L,
    config: Config,
    source: &mut In,
    sink: &mut Out,
    shutdown: impl Future<Output = u8>,
) -> io::Result<u8>
where
    L: Listen + 'static,
    In: Source,
    Out: Sink,
{
    let (room, news) = WaitingRoom::new(config.backlog);
    let accepting = tokio::spawn(accept(listener, Arc::clone(&room), config.framing));
    let mut desk = Desk {
        room,
        news,
        config,
        source,
        sink,
        quitting: None,
    };
    let code = desk.serve(pin!(shutdown)).await;
    accepting.abort();
    code
}

/// Accepts connections for ever. Each gets a task, so that none can hold up the next.
async fn accept<L: Listen>(mut listener: L, room: Arc<WaitingRoom>, framing: Framing) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await else {
            return;
        };
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let room = Arc::clone(&room);
        tokio::spawn(async move {
            let caller = Caller::greet(stream, from, framing).await;
            drop(permit);
            match caller {
                Ok(caller) => room.seat(caller).await,
                Err(error) => tracing::info!(%from, %error, "no call came of a connection"),
            }
        });
    }
}

/// Where the person sits and takes one call after the other.
struct Desk<'p, In, Out> {
    room: Arc<WaitingRoom>,
    news: mpsc::Receiver<News>,
    config: Config,
    source: &'p mut In,
    sink: &'p mut Out,
    /// The exit code, once the program is to end.
    quitting: Option<u8>,
}

impl<In: Source, Out: Sink> Desk<'_, In, Out> {
    async fn serve<F>(&mut self, mut shutdown: Pin<&mut F>) -> io::Result<u8>
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
        let mut next = pin!(room.next());
        let mut shown = false;
        loop {
            tokio::select! {
                caller = &mut next => return Ok(Some(caller)),
                input = self.source.next(), if self.config.interactive => {
                    shown = false;
                    match input? {
                        Input::Command(Command::Quit) | Input::End => return Ok(None),
                        Input::Command(Command::Next) => self.notice(words::NOBODY_WAITS.into()),
                        Input::Typing(_) => {}
                        _ => self.notice(words::NOBODY_THERE.into()),
                    }
                }
                flushed = self.sink.flushed(), if !shown => match flushed {
                    // Nobody reads what the next caller says.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(None),
                    flushed => {
                        flushed?;
                        shown = true;
                    }
                },
                code = shutdown.as_mut() => {
                    self.quitting = Some(code);
                    return Ok(None);
                }
            }
        }
    }

    fn notice(&mut self, text: String) {
        self.sink.show(Event::Notice(text));
    }

    /// Holds one call to its end. Answers the exit code that would go with it.
    async fn call<F>(&mut self, caller: Caller, mut shutdown: Pin<&mut F>) -> u8
    where
        F: Future<Output = u8>,
    {
        let Caller { peer, mut link } = caller;
        let manners = self.config.manners.clone();
        let mut call = Conversation::new(Plain::new(), manners, self.source, self.sink);
        call.show(Event::Call(peer.clone()));
        while self.news.try_recv().is_ok() {}
        call.show(Event::Waiting(self.room.waiting()));
        let ending = loop {
            tokio::select! {
                    step = call.over(&mut link) => match step {
                        Step::Ended(ending) => break ending,
                        Step::Cut => unreachable!("a plain call has one connection"),
                        Step::Command(Command::Quit) => {
                            self.quitting = Some(exit::OK);
                            call.hang_up();
                        }
                        Step::Command(Command::Next) => call.hang_up(),
                        Step::Command(Command::Status) => call.show(Event::Notice(words::status(&peer))),
                        Step::Command(_) => {}
                    },
                    Some(news) = self.news.recv() => {
                        let waiting = self.room.waiting();
                        call.show(Event::Notice(match news {
                            News::Came(peer) => words::caller_waits(&peer, waiting),
                            News::Left(peer) => words::caller_left(&peer),
                            News::TurnedAway(peer) => words::caller_turned_away(&peer),
                        }));
                        while self.news.try_recv().is_ok() {}
            call.show(Event::Waiting(waiting));
                    }
                    code = shutdown.as_mut(), if self.quitting.is_none() => {
                        self.quitting = Some(code);
                        call.hang_up();
                    }
                }
        };
        let concluded = async { tokio::join!(call.conclude(ending), link.end()).0 };
        tokio::select! {
            ended = concluded => exit::code(&ended),
            code = shutdown, if self.quitting.is_none() => *self.quitting.insert(code),
        }
    }
}
