//! Calls until somebody is there: what is said meanwhile is recorded, and outlives the program.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chat_core::driver::{Outcome, Runner, Sink, Source};
use chat_core::protocol::{CloseReason, Disconnect, Event, Peer, Side};
use chat_core::transport::{ConnectError, Dial};
use chat_core::wire::RefusalCode;
use chat_terminal::locale::Explain;
use chat_terminal::record::Record;
use chat_terminal::{exit, locale};
use tokio::time::sleep;

use crate::call::Client;
use crate::first_contact::FirstContact;
use crate::race::LONGEST_PATIENT_PAUSE;
use crate::ways::Ways;
use crate::{Config, person_leaves};

/// The first pause after a call that has not delivered everything. It doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Calls `peer` until everything that the person says has arrived, or the person or `shutdown` ends
/// it. Returns the exit code.
///
/// # Errors
/// The number of the peer was withheld too often.
pub(crate) async fn run<D, In, Out, F>(
    ways: Arc<Ways<D>>,
    config: Config,
    peer: Peer,
    source: &mut In,
    sink: &mut Out,
    mut shutdown: Pin<&mut F>,
) -> Result<u8, ConnectError>
where
    D: Dial + Clone + 'static,
    In: Source,
    Out: Sink,
    F: Future<Output = u8>,
{
    let (Some(recorder), Some(key)) = (config.recorder.clone(), peer.security.fingerprint()) else {
        return Ok(exit::FAILED);
    };
    let interactive = config.call_config.interactive;
    let pinned = Arc::new(ways.pin(&peer.security));
    let mut pause = FIRST_PAUSE;
    loop {
        let first_contact = FirstContact::new(&ways);
        if let Some(first_contact) = &first_contact {
            first_contact.check()?;
        }
        let recording = recorder.dial(key).await;
        let record = Record::new(recorder.clone(), &recording);
        let recording = match recording {
            Ok(recording) => recording,
            Err(error) => {
                sink.show(Event::Alarm(
                    locale::text().cannot_keep_for_later(&error.explain()),
                ));
                return Ok(exit::FAILED);
            }
        };
        let mut client = Client::new(
            Arc::clone(&pinned),
            &config,
            peer.clone(),
            first_contact,
            record,
        );
        let mut call = Runner::begin_unconnected(
            &peer.security,
            recording,
            config.name.clone(),
            config.call_config.clone(),
            source,
            sink,
        );
        let shown = client.begin(interactive);
        call.call().show_all(shown);
        if pause == FIRST_PAUSE {
            let notice = locale::text().nobody_there_yet(&peer);
            call.call().show(Event::Notice(notice));
        }
        let reason = call.run(&mut client, shutdown.as_mut()).await;
        let mut record = client.ended(&reason).await;
        let (outcome, unrecorded) = call.end(reason, shutdown.as_mut()).await;
        record.end(unrecorded, sink);
        let code = record.exit_code(&outcome);
        let Outcome::Ended(ended) = outcome else {
            return Ok(code);
        };
        if ended.unacknowledged.is_empty() || !may_be_there_later(&ended.reason) {
            return Ok(code);
        }
        // The next call would not have all of it.
        if record.has_failed() {
            return Ok(code.max(exit::FAILED));
        }
        tokio::select! {
            () = sleep(pause.mul_f64(0.75 + fastrand::f64() / 2.0)) => {}
            () = person_leaves(source, sink), if interactive => return Ok(code),
            code = shutdown.as_mut() => return Ok(code),
        }
        pause = (2 * pause).min(LONGEST_PATIENT_PAUSE);
    }
}

/// Whether another call may deliver what this one did not.
fn may_be_there_later(reason: &CloseReason) -> bool {
    match reason {
        CloseReason::Busy { .. } => true,
        CloseReason::Refused(refusal) => matches!(
            refusal.code,
            RefusalCode::Declined | RefusalCode::Closed | RefusalCode::Unavailable
        ),
        CloseReason::HungUp(side) => *side == Side::Remote,
        // Whoever is there now is somebody else, or has lost the key.
        CloseReason::Lost(Disconnect::Unreachable(_) | Disconnect::Refused(_)) => false,
        CloseReason::Lost(_) => true,
        _ => false,
    }
}
