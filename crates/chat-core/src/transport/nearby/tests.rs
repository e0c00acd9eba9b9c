//! Over real multicast on the loopback interface, on ports of their own.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use mdns_sd::{ServiceEvent, ServiceInfo};
use tokio::time::timeout;

use super::*;
use crate::wire::Name;

const SOON: Duration = Duration::from_secs(20);

/// Nobody is found in this time who is not there.
const A_WHILE: Duration = Duration::from_secs(1);

fn key(n: u8) -> Fingerprint {
    Fingerprint::of_spki(&[n])
}

fn here(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// A port for the multicast of one test.
fn port(n: u16) -> u16 {
    20_000 + (std::process::id() % 2_000) as u16 * 10 + n
}

/// The next who is near; `None`, with a word, where a machine carries no multicast to itself.
async fn found(browser: &mut Browser) -> Option<Neighbour> {
    let found = timeout(SOON, browser.next()).await.ok().flatten();
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "nobody was found");
        eprintln!("skipped: this machine carries no multicast to itself");
    }
    found
}

#[tokio::test]
async fn who_announces_is_found_with_the_name_that_was_chosen() {
    for (n, name, told) in [
        (0, Name::from("ann"), Some("ann")),
        (1, Name::of_account("root".to_owned()), None),
    ] {
        let port = port(n);
        let _announced = Announcement::on_port(port, key(1), &name, here(7799));
        let mut browser = Browser::on_port(port).expect("a browser");
        let Some(neighbour) = found(&mut browser).await else {
            return;
        };
        assert_eq!(neighbour.key, key(1));
        assert_eq!(neighbour.name.as_deref(), told);
        let host = HostPort {
            host: "127.0.0.1".into(),
            port: 7799,
        };
        assert_eq!(neighbour.addresses, [host]);
    }
}

#[tokio::test]
async fn who_ends_says_good_bye_and_is_no_longer_found() {
    let port = port(2);
    let name = Name::from("ann");
    let announced = Announcement::on_port(port, key(1), &name, here(7799)).expect("announced");
    let watcher = daemon(port).expect("a daemon");
    let events = watcher.browse(SERVICE).expect("a search");
    let mut was_found = false;
    let gone = timeout(SOON, async {
        let mut announced = Some(announced);
        loop {
            match events.recv_async().await.expect("the daemon is there") {
                ServiceEvent::ServiceResolved(_) => {
                    was_found = true;
                    if let Some(announced) = announced.take() {
                        announced.end().await;
                    }
                }
                ServiceEvent::ServiceRemoved(..) => return,
                _ => {}
            }
        }
    });
    let gone = gone.await;
    if !was_found {
        eprintln!("skipped: this machine carries no multicast to itself");
        return;
    }
    gone.expect("a good-bye");
    let mut browser = Browser::on_port(port).expect("a browser");
    assert!(timeout(A_WHILE, browser.next()).await.is_err());
}

#[tokio::test]
async fn what_strangers_say_is_short_and_harmless() {
    let port = port(3);
    let hostile = daemon(port).expect("a daemon");
    let long = format!("\u{1b}]0;owned\u{7}{}", "é".repeat(99));
    let right = key(7).to_string();
    for (instance, key, name, service_port) in [
        ("no key", "SHA256:x", "ann", 1),
        ("no port", &*right, "ann", 0),
        ("strange", &*right, &*long, 1),
    ] {
        let txt = [(KEY, key), (NAME, name)];
        let host = format!("{}.local.", instance.replace(' ', "-"));
        let service = ServiceInfo::new(
            SERVICE,
            instance,
            &host,
            "127.0.0.1",
            service_port,
            &txt[..],
        );
        hostile
            .register(service.expect("a service"))
            .expect("registered");
    }
    let mut browser = Browser::on_port(port).expect("a browser");
    let Some(neighbour) = found(&mut browser).await else {
        return;
    };
    let name = neighbour.name.expect("a name");
    assert!(name.len() <= MAX_NAME + 2 * "\u{fffd}".len(), "{name}");
    assert!(!name.contains(char::is_control), "{name:?}");
    assert!(
        timeout(A_WHILE, browser.next()).await.is_err(),
        "the others are none"
    );
    hostile.shutdown().expect("it ends");
}
