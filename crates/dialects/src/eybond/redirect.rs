//! Telling a logger in the local network where to connect, until it loses power: one datagram, as the vendor's app
//! sends it.

use std::net::SocketAddr;

/// Where loggers hear it.
pub const PORT: u16 = 58_899;

/// What is sent.
#[must_use]
pub fn order(server: SocketAddr) -> String {
    format!("set>server={server};")
}

/// Whether that was the answer of a logger; it ends with a number that nobody explains (1 and 2 were seen).
#[must_use]
pub fn is_answer(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes).ok();
    text.is_some_and(|text| text.trim_end().starts_with("rsp>server="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_and_its_answer_are_texts() {
        let server = "192.168.1.10:502".parse().unwrap();
        assert_eq!(order(server), "set>server=192.168.1.10:502;");
        for (bytes, expected) in [
            (&b"rsp>server=1;"[..], true),
            (b"rsp>server=2;\r\n", true),
            (b"set>server=192.168.1.10:502;", false),
            (b"\xFF", false),
            (b"", false),
        ] {
            assert_eq!(is_answer(bytes), expected, "{bytes:02x?}");
        }
    }
}
