//! What a data logger sends: to whoever greets it, to our client in pieces, and to what it tunnels; and the same said by
//! its vendor's cloud.
#![no_main]

use std::sync::Arc;

use dialects::eybond::frame::{self, Cut};
use dialects::eybond::{
    Behind, Client, Definition, DeviceSettings, Greeter, Logger, LoggerSettings, SerialLine, rtu, text,
};
use dialects::{Beside, Client as _, Greeter as _, Greeting, Incoming, Outgoing};
use libfuzzer_sys::fuzz_target;
use model::gateway::{PassOn, Unit};
use model::time::{Millis, Now};

/// An inverter that says what it is given, whatever it is asked.
struct Babbles<'a>(&'a [u8]);

impl SerialLine for Babbles<'_> {
    fn exchange(&mut self, _: u8, _: &[u8]) -> Option<Vec<u8>> {
        Some(self.0.to_vec())
    }
}

fn device(unit: &str, definition: &str) -> DeviceSettings {
    DeviceSettings {
        behind: Behind::read(&Unit::named(unit)).unwrap(),
        name: unit.to_owned(),
        definition: Arc::new(Definition::built_in(definition).unwrap()),
        poll: Millis(10_000),
    }
}

thread_local! {
    static DEVICES: Vec<DeviceSettings> =
        vec![device("1/battery", "smg"), device("2/pv", "pi30"), device("3/load", "pi18")];
}

fuzz_target!(|bytes: &[u8]| {
    if let Cut::Frame(frame, used) = frame::cut(bytes) {
        assert_eq!(frame.encode(), &bytes[..used]);
    }
    let _ = (rtu::decode(bytes), rtu::is_whole(bytes), text::is_whole(bytes));
    for protocol in [text::Protocol::Pi30, text::Protocol::Pi18] {
        let _ = (protocol.read_answer(bytes), protocol.read_command(bytes));
    }
    let now = Now::default();
    let mut greeter = Greeter::new(Millis(60_000));
    let mut pieces = bytes.chunks(7);
    if let Some(Greeting::Is { rest: mut unread, .. }) = pieces
        .find_map(|piece| Some(greeter.handle_bytes(piece, now)).filter(|heard| *heard != Greeting::More))
    {
        for piece in pieces {
            unread.extend_from_slice(piece);
            if greeter.handle_waiting(&mut unread).is_err() {
                break;
            }
        }
    }
    talk(bytes, Logger::new("E5000099990001", 1));
    talk(bytes, Logger::new("E5000099990001", 1).in_lines());
});

/// Each piece is what an inverter says, then what the cloud says, and then what the logger says by itself.
fn talk(bytes: &[u8], mut logger: Logger) {
    let mut now = Now::default();
    let mut client = Client::new(LoggerSettings {
        pn: "E5000099990001".to_owned(),
        heartbeat: Millis(60_000),
        pass_on: PassOn::Reads,
        devices: DEVICES.with(Clone::clone),
    });
    let _ = client.handle_incoming(Incoming::Opened, now);
    // By this a client knows in which way a logger speaks.
    let says = logger
        .handle_bytes(b"AT+DTUPN?\r\n", &mut Babbles(&[]))
        .unwrap_or_default();
    for said in says {
        let _ = client.handle_incoming(Incoming::Message(said), now);
    }
    for piece in bytes.chunks(64).take(40) {
        now = now.after(Millis(900));
        client.handle_timeout(now);
        while let Some(outgoing) = client.poll_outgoing() {
            let Outgoing::Bytes(sent) = outgoing else { continue };
            for answer in logger
                .handle_bytes(&sent, &mut Babbles(piece))
                .unwrap_or_default()
            {
                let _ = client.handle_incoming(Incoming::Message(answer), now);
            }
        }
        // Whose frames make no sense is hung up on, and called again.
        let _ = client.handle_incoming(Incoming::Beside(Beside::Opened), now);
        let _ = client.handle_incoming(Incoming::Beside(Beside::Bytes(piece.to_vec())), now);
        let _ = client.handle_incoming(Incoming::Message(piece.to_vec()), now);
        while client.poll_event().is_some() {}
    }
}
