//! A picture with a palette as a PNG data URI: the PNG specification's (ISO/IEC 15948) smallest subset, eight bits of
//! palette index a pixel, index 0 transparent, deflate's stored blocks (RFC 1951, section 3.2.4).
//!
//! Stored blocks cost no code and no time; a picture of 40 components and 150 times is 6 kB.

use super::colour::Rgb;

/// The data URI of a picture: `pixels[row * width + column]` are indices into `palette`, index 0 being transparent.
pub(super) fn data_uri(width: usize, pixels: &[u8], palette: &[Rgb]) -> String {
    format!("data:image/png;base64,{}", base64(&encode(width, pixels, palette)))
}

/// The file's bytes.
fn encode(width: usize, pixels: &[u8], palette: &[Rgb]) -> Vec<u8> {
    let rows: Vec<&[u8]> = pixels.chunks(width.max(1)).collect();
    let mut header = Vec::new();
    header.extend((width as u32).to_be_bytes());
    header.extend((rows.len() as u32).to_be_bytes());
    header.extend([8, 3, 0, 0, 0]); // bits, palette colour, and the only compression, filter and interlacing used
    let scanlines: Vec<u8> = rows.iter().flat_map(|row| std::iter::once(0).chain(row.iter().copied())).collect();
    let mut file = vec![0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];
    chunk(&mut file, b"IHDR", &header);
    chunk(&mut file, b"PLTE", &palette.concat());
    chunk(&mut file, b"tRNS", &[0]);
    chunk(&mut file, b"IDAT", &stored(&scanlines));
    chunk(&mut file, b"IEND", &[]);
    file
}

/// Appends one chunk: length, name, data and the check over name and data.
fn chunk(file: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    file.extend((data.len() as u32).to_be_bytes());
    let start = file.len();
    file.extend(name);
    file.extend(data);
    let check = crc32(&file[start..]);
    file.extend(check.to_be_bytes());
}

/// A zlib stream (RFC 1950) that stores its data uncompressed.
fn stored(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let blocks = data.chunks(0xffff).count();
    for (index, block) in data.chunks(0xffff).enumerate() {
        let length = block.len() as u16;
        out.push(u8::from(index + 1 == blocks));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    out.extend(adler32(data).to_be_bytes());
    out
}

/// The cyclic redundancy check of PNG, bit by bit.
fn crc32(data: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
    !data.iter().fold(!0u32, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| step(crc)))
}

/// The check of zlib.
fn adler32(data: &[u8]) -> u32 {
    let (a, b) = data.iter().fold((1u32, 0u32), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65521;
        (a, (b + a) % 65521)
    });
    (b << 16) | a
}

/// Base64 (RFC 4648) with padding.
fn base64(data: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(data.len().div_ceil(3) * 4);
    for group in data.chunks(3) {
        let bytes = [group[0], group.get(1).copied().unwrap_or(0), group.get(2).copied().unwrap_or(0)];
        let word = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
        for place in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= group.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_agree_with_the_published_values() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b"IEND"), 0xae42_6082);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
        for (text, code) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(text.as_bytes()), code);
        }
    }

    #[test]
    fn the_file_says_its_size_and_holds_its_pixels() {
        let pixels: Vec<u8> = (0..6).collect();
        let file = encode(3, &pixels, &[[0, 0, 0], [1, 2, 3]]);
        assert_eq!(&file[16..24], &[0, 0, 0, 3, 0, 0, 0, 2]);
        let scanlines = [0, 0, 1, 2, 0, 3, 4, 5];
        assert!(file.windows(8).any(|window| window == scanlines));
    }

    #[test]
    fn long_data_is_cut_into_blocks() {
        let out = stored(&vec![7; 70_000]);
        assert_eq!(out.len(), 2 + 5 + 65_535 + 5 + (70_000 - 65_535) + 4);
        assert_eq!((out[2], out[2 + 5 + 65_535]), (0, 1), "only the last block is marked last");
    }
}
