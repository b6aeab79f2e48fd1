//! The streams of a command that runs in a pod, by the numbers that clients know them under.
//!
//! A message is the number of a stream and bytes of it. Over the way back from the API server to an agent, each message has its
//! length before it, in four bytes, big-endian; over a WebSocket the message is its own frame. The numbers are those of upstream's
//! `apimachinery/pkg/util/remotecommand/constants.go`.

pub const STDIN: u8 = 0;
pub const STDOUT: u8 = 1;
pub const STDERR: u8 = 2;
/// How the command ended: a Status as JSON. It is the last message.
pub const ERROR: u8 = 3;
/// `{"Width":80,"Height":24}`: the size of the client's terminal.
pub const RESIZE: u8 = 4;
/// Holds the number of a stream that has ended.
pub const CLOSE: u8 = 255;

/// What stands before the bytes of a message on the way back.
pub fn head(channel: u8, bytes: &[u8]) -> [u8; 5] {
    // No message is as long as four bytes can say.
    let [a, b, c, d] = (bytes.len() as u32 + 1).to_be_bytes();
    [a, b, c, d, channel]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_length_and_its_stream_before_it() {
        assert_eq!(head(STDERR, &[7; 300]), [0, 0, 1, 45, 2]);
        assert_eq!(head(STDOUT, &[]), [0, 0, 0, 1, 1]);
    }
}
