//! MQTT 3.1.1 packets, as far as a client needs them: bytes in, packets out, and back.
//!
//! Source: OASIS standard "MQTT Version 3.1.1", sections 2 and 3; section numbers are given where they matter.

use super::{Credentials, Message, Publish, Qos};

/// What a broker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    /// 0: welcome; else why not (3.2.2.3).
    ConnAck {
        code: u8,
    },
    Publish {
        message: Message,
        /// With QoS 1, to be acknowledged.
        id: Option<u16>,
    },
    PubAck {
        id: u16,
    },
    /// Granted QoS or 0x80 for each topic filter that was asked for.
    SubAck {
        id: u16,
        granted: Vec<u8>,
    },
    Pong,
}

/// Why bytes are no packet for us.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoPacket {
    #[error("a packet of {length} bytes, expected at most {limit}")]
    TooLong { length: usize, limit: usize },
    #[error("a packet of type {kind} with flags {flags:#x} that no broker sends to a client of ours")]
    Unexpected { kind: u8, flags: u8 },
    #[error("a packet of type {kind} that ends early or holds too much")]
    Malformed { kind: u8 },
}

const CONNECT: u8 = 0x10;
const PUBLISH: u8 = 0x30;
const PUBACK: u8 = 0x40;
const SUBSCRIBE: u8 = 0x82;
pub(crate) const PING: [u8; 2] = [0xc0, 0];
pub(crate) const DISCONNECT: [u8; 2] = [0xe0, 0];

/// The first packet at the head of `bytes` and how long it is; `None` while it is not complete.
pub(crate) fn decode(bytes: &[u8], limit: usize) -> Result<Option<(Packet, usize)>, NoPacket> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let (kind, flags) = (first >> 4, first & 0x0f);
    // Said at once: who is no broker may never send the rest.
    if !matches!((kind, flags), (2 | 4 | 9 | 13, 0) | (3, _)) {
        return Err(NoPacket::Unexpected { kind, flags });
    }
    let Some((length, used)) = length(rest, kind)? else {
        return Ok(None);
    };
    if length > limit {
        return Err(NoPacket::TooLong { length, limit });
    }
    let Some(body) = rest.get(used..used + length) else {
        return Ok(None);
    };
    let packet = read(kind, flags, body).ok_or(NoPacket::Malformed { kind })??;
    Ok(Some((packet, 1 + used + length)))
}

/// The remaining length (2.2.3): seven bits a byte, at most four bytes.
fn length(bytes: &[u8], kind: u8) -> Result<Option<(usize, usize)>, NoPacket> {
    let mut length = 0;
    for place in 0..4 {
        let Some(&byte) = bytes.get(place) else {
            return Ok(None);
        };
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(Some((length, place + 1)));
        }
    }
    Err(NoPacket::Malformed { kind })
}

fn read(kind: u8, flags: u8, body: &[u8]) -> Option<Result<Packet, NoPacket>> {
    let packet = match (kind, flags) {
        (2, 0) => match body {
            [_, code] => Packet::ConnAck { code: *code },
            _ => return None,
        },
        (3, _) => {
            let qos = match flags >> 1 & 3 {
                0 => Qos::AtMostOnce,
                1 => Qos::AtLeastOnce,
                _ => return Some(Err(NoPacket::Unexpected { kind, flags })),
            };
            let (topic, mut rest) = text(body)?;
            let mut id = None;
            if qos == Qos::AtLeastOnce {
                let (number, payload) = number(rest)?;
                (id, rest) = (Some(number), payload);
            }
            let message = Message {
                topic,
                payload: rest.to_vec(),
                qos,
                retained: flags & 1 != 0,
            };
            Packet::Publish { message, id }
        }
        (4, 0) => match number(body)? {
            (id, []) => Packet::PubAck { id },
            _ => return None,
        },
        (9, 0) => {
            let (id, granted) = number(body)?;
            Packet::SubAck {
                id,
                granted: granted.to_vec(),
            }
        }
        (13, 0) if body.is_empty() => Packet::Pong,
        _ => return Some(Err(NoPacket::Unexpected { kind, flags })),
    };
    Some(Ok(packet))
}

fn number(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*head), rest))
}

fn text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = number(bytes)?;
    let (text, rest) = rest.split_at_checked(usize::from(length))?;
    Some((String::from_utf8(text.to_vec()).ok()?, rest))
}

/// The first packet of a connection (3.1). Texts beyond 65,535 bytes are cut; callers check theirs before.
pub(crate) fn connect(
    client: &str,
    keep_alive_s: u16,
    credentials: Option<&Credentials>,
    will: Option<&Publish>,
) -> Vec<u8> {
    // Every connection starts afresh: what was subscribed is subscribed again.
    let mut flags = 0x02;
    let mut body = Vec::new();
    put_text(&mut body, b"MQTT");
    body.push(4);
    if let Some(will) = will {
        flags |= 0x04 | will.qos.bits() << 3 | if will.retain { 0x20 } else { 0 };
    }
    if credentials.is_some() {
        flags |= 0xc0;
    }
    body.push(flags);
    body.extend(keep_alive_s.to_be_bytes());
    put_text(&mut body, client.as_bytes());
    if let Some(will) = will {
        put_text(&mut body, will.topic.as_bytes());
        put_text(&mut body, &will.payload);
    }
    if let Some(credentials) = credentials {
        put_text(&mut body, credentials.user.as_bytes());
        put_text(&mut body, credentials.password.as_bytes());
    }
    framed(CONNECT, &body)
}

/// `id` with QoS 1 only; `again` marks a second try (3.3.1.1).
pub(crate) fn publish(publish: &Publish, id: Option<u16>, again: bool) -> Vec<u8> {
    let mut body = Vec::new();
    put_text(&mut body, publish.topic.as_bytes());
    if let Some(id) = id {
        body.extend(id.to_be_bytes());
    }
    body.extend(&publish.payload);
    let flags = u8::from(publish.retain) | if id.is_some() { 0x02 } else { 0 } | if again { 0x08 } else { 0 };
    framed(PUBLISH | flags, &body)
}

pub(crate) fn acknowledge(id: u16) -> Vec<u8> {
    framed(PUBACK, &id.to_be_bytes())
}

pub(crate) fn subscribe(id: u16, filters: &[(String, Qos)]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    for (filter, qos) in filters {
        put_text(&mut body, filter.as_bytes());
        body.push(qos.bits());
    }
    framed(SUBSCRIBE, &body)
}

fn put_text(to: &mut Vec<u8>, text: &[u8]) {
    let text = &text[..text.len().min(usize::from(u16::MAX))];
    to.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    to.extend(text);
}

fn framed(head: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![head];
    let mut left = body.len();
    loop {
        let low = u8::try_from(left & 0x7f).unwrap_or(0);
        left >>= 7;
        bytes.push(if left > 0 { low | 0x80 } else { low });
        if left == 0 {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish_of(topic: &str, payload: &[u8], qos: Qos, retain: bool) -> Publish {
        Publish {
            topic: topic.to_owned(),
            payload: payload.to_vec(),
            qos,
            retain,
        }
    }

    #[test]
    fn packets_are_written_as_the_standard_shows_them() {
        // 3.1.3: protocol name and level, flags, keep alive, client id.
        let plain = connect("a", 60, None, None);
        assert_eq!(
            plain,
            [0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 0x02, 0, 60, 0, 1, b'a']
        );
        let will = publish_of("w", b"0", Qos::AtLeastOnce, true);
        let user = Credentials {
            user: "u".to_owned(),
            password: "p".to_owned(),
        };
        let full = connect("a", 60, Some(&user), Some(&will));
        assert_eq!(full[9], 0x02 | 0x04 | 0x08 | 0x20 | 0xc0);
        assert_eq!(full[15..], [0, 1, b'w', 0, 1, b'0', 0, 1, b'u', 0, 1, b'p']);
        let once = publish_of("a/b", b"7", Qos::AtMostOnce, false);
        assert_eq!(
            publish(&once, None, false),
            [0x30, 6, 0, 3, b'a', b'/', b'b', b'7']
        );
        let twice = publish_of("a/b", b"7", Qos::AtLeastOnce, true);
        assert_eq!(
            publish(&twice, Some(10), true),
            [0x3b, 8, 0, 3, b'a', b'/', b'b', 0, 10, b'7']
        );
        assert_eq!(acknowledge(258), [0x40, 2, 1, 2]);
        assert_eq!(
            subscribe(10, &[("a/#".to_owned(), Qos::AtLeastOnce)]),
            [0x82, 8, 0, 10, 0, 3, b'a', b'/', b'#', 1]
        );
        // 2.2.3: 127, 128 and 16,384 bytes are the borders of one, two and three digits.
        for (length, digits) in [
            (127, &[0x7f][..]),
            (128, &[0x80, 1]),
            (16_383, &[0xff, 0x7f]),
            (16_384, &[0x80, 0x80, 1]),
        ] {
            assert_eq!(framed(0, &vec![0; length])[1..=digits.len()], *digits, "{length}");
        }
    }

    #[test]
    fn packets_are_read_whole_or_not_at_all() {
        let message = Message {
            topic: "car/soc".to_owned(),
            payload: b"71.5".to_vec(),
            qos: Qos::AtLeastOnce,
            retained: true,
        };
        let sent = publish_of("car/soc", b"71.5", Qos::AtLeastOnce, true);
        let cases: Vec<(Vec<u8>, Packet)> = vec![
            (vec![0x20, 2, 0, 5], Packet::ConnAck { code: 5 }),
            (
                publish(&sent, Some(7), false),
                Packet::Publish { message, id: Some(7) },
            ),
            (vec![0x40, 2, 0, 7], Packet::PubAck { id: 7 }),
            (
                vec![0x90, 4, 0, 1, 0, 0x80],
                Packet::SubAck {
                    id: 1,
                    granted: vec![0, 0x80],
                },
            ),
            (vec![0xd0, 0], Packet::Pong),
        ];
        for (mut bytes, expected) in cases {
            for cut in 0..bytes.len() {
                assert_eq!(
                    decode(&bytes[..cut], 1_000),
                    Ok(None),
                    "{expected:?} cut at {cut}"
                );
            }
            let length = bytes.len();
            bytes.extend([0x20, 2]);
            assert_eq!(decode(&bytes, 1_000), Ok(Some((expected, length))));
        }
    }

    #[test]
    fn what_is_no_packet_is_said() {
        let malformed = |kind| Err(NoPacket::Malformed { kind });
        for (bytes, expected) in [
            (&[0x30, 0xff, 0xff, 0xff, 0xff][..], malformed(3)),
            (&[0x20, 1, 0], malformed(2)),
            (&[0x30, 3, 0, 9, b'a'], malformed(3)),
            (&[0x30, 4, 0, 2, 0xff, 0xff], malformed(3)),
            (&[0x32, 4, 0, 1, b'a', 0], malformed(3)),
            (&[0x40, 3, 0, 1, 2], malformed(4)),
            (
                &[0x34, 3, 0, 1, b'a'],
                Err(NoPacket::Unexpected { kind: 3, flags: 4 }),
            ),
            (&[0x10, 0], Err(NoPacket::Unexpected { kind: 1, flags: 0 })),
            (
                &[0x30, 0x80, 0x80, 1],
                Err(NoPacket::TooLong {
                    length: 16_384,
                    limit: 1_000,
                }),
            ),
        ] {
            assert_eq!(decode(bytes, 1_000), expected, "{bytes:02x?}");
        }
    }
}
