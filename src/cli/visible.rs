//! Text for a terminal. Labels, file names and texts out of files may hold bytes that move the cursor, change the title or
//! turn lines around; a person sees them as escapes.

use std::borrow::Cow;

/// The text with control characters (but line breaks) and characters that change the direction of text as `\u{..}`.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    let acts = |c: char| c != '\n' && (c.is_control() || DIRECTION.iter().any(|(from, to)| (*from..=*to).contains(&c)));
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match acts(c) {
            true => out.extend(c.escape_unicode()),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Marks, embeddings, overrides and isolates of direction, and the separators of lines (Unicode Standard Annex 9).
const DIRECTION: [(char, char); 5] = [
    ('\u{61c}', '\u{61c}'),
    ('\u{200e}', '\u{200f}'),
    ('\u{2028}', '\u{2029}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2066}', '\u{2069}'),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_acts_reaches_a_terminal() {
        assert_eq!(visible("a ± b\nä 日本"), "a ± b\nä 日本");
        let found = visible("a\u{1b}[2Jb\u{9b}1m\r\u{7}\u{202e}c\tx");
        assert_eq!(found, "a\\u{1b}[2Jb\\u{9b}1m\\u{d}\\u{7}\\u{202e}c\\u{9}x");
    }
}
