//! Records of TensorBoard: a file of framed protocol buffers, to which records are only ever added.
//!
//! ```text
//! length (u64) | masked crc of it (u32) | event | masked crc of that (u32)        all little-endian
//! ```
//!
//! The crc is CRC-32C, masked by ((crc >> 15) | (crc << 17)) + 0xa282ead8. An event holds wall_time (field 1, double), step
//! (2, int64), and file_version (3, "brain.Event:2") in the first record or a summary (5) of values with tag (1) and
//! simple_value (2, float). Source: the protocol definitions event.proto, summary.proto and record_writer of TensorFlow.

/// The first record of a file.
pub fn version(seconds: f64) -> Vec<u8> {
    let mut event = double(1, seconds);
    event.extend(bytes(3, b"brain.Event:2"));
    framed(&event)
}

/// A record of some values after a training step, at this time in seconds since 1970.
pub fn scalars(seconds: f64, step: u64, values: &[(&str, f64)]) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, value) in values {
        let mut one = bytes(1, tag.as_bytes());
        one.push(key(2, 5));
        one.extend((*value as f32).to_le_bytes());
        summary.extend(bytes(1, &one));
    }
    let mut event = double(1, seconds);
    event.push(key(2, 0));
    event.extend(varint(step));
    event.extend(bytes(5, &summary));
    framed(&event)
}

/// The key of a field below 16 of a wire type: 0 varint, 1 eight bytes, 2 bytes of a length, 5 four bytes.
const fn key(field: u8, wire: u8) -> u8 {
    field << 3 | wire
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

fn double(field: u8, value: f64) -> Vec<u8> {
    [&[key(field, 1)], value.to_le_bytes().as_slice()].concat()
}

fn bytes(field: u8, content: &[u8]) -> Vec<u8> {
    [&[key(field, 2)], varint(content.len() as u64).as_slice(), content].concat()
}

fn framed(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    [&length, masked(&length).to_le_bytes().as_slice(), event, &masked(event).to_le_bytes()].concat()
}

fn masked(content: &[u8]) -> u32 {
    crc32c::crc32c(content).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_masked_crc_is_that_of_the_known_example() {
        assert_eq!(masked(b"123456789"), 0xc78a_b0e5);
    }

    #[test]
    fn a_record_is_what_the_protocol_says() {
        // 1: 2.0; 2: 300 = 0xac 0x02; 5 { 1 { 1: "a", 2: 0.5 } }
        let event: &[u8] = &[9, 0, 0, 0, 0, 0, 0, 0, 64, 16, 0xac, 2, 42, 10, 10, 8, 10, 1, b'a', 21, 0, 0, 0, 63];
        let record = scalars(2.0, 300, &[("a", 0.5)]);
        assert_eq!(record[..8], (event.len() as u64).to_le_bytes());
        assert_eq!(record[12..12 + event.len()], *event);
        assert_eq!(record[12 + event.len()..], masked(event).to_le_bytes());
    }
}
