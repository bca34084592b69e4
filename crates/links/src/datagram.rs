//! One datagram and its answer.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;

use crate::failure::Failure;

/// Longer answers are cut.
const MOST: usize = 1_500;

/// Sends a datagram, also to a broadcast address, and waits for the first answer and where it comes from. A
/// datagram may get lost: whoever needs an answer asks again.
///
/// # Errors
/// When it cannot be sent, or nothing comes in time.
pub async fn ask(to: SocketAddr, bytes: &[u8], within: Duration) -> Result<(Vec<u8>, SocketAddr), Failure> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    socket.set_broadcast(true)?;
    socket.send_to(bytes, to).await?;
    let mut answer = [0; MOST];
    let heard = tokio::time::timeout(within, socket.recv_from(&mut answer)).await;
    let (count, from) = heard.map_err(|_| Failure::timed_out(within))??;
    Ok((answer.get(..count).unwrap_or_default().to_vec(), from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_answer_comes_back_with_its_origin() {
        let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = peer.local_addr().unwrap();
        let answering = async {
            let mut asked = [0; 16];
            let (count, from) = peer.recv_from(&mut asked).await.unwrap();
            assert_eq!(&asked[..count], b"who?");
            peer.send_to(b"me", from).await.unwrap();
        };
        let asking = ask(address, b"who?", Duration::from_secs(10));
        let (answer, ()) = tokio::join!(asking, answering);
        assert_eq!(answer, Ok((b"me".to_vec(), address)));
        let silence = ask(address, b"who?", Duration::from_millis(1)).await;
        assert_eq!(silence, Err(Failure::TimedOut { after_ms: 1 }));
    }
}
