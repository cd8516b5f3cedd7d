//! UTF-16, as PowerShell's `>` writes.

use super::Rewriter;

/// The order of the two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    /// By the mark, or by zeros at every second byte of ASCII text.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0xff, 0xfe, rest @ ..] if !rest.starts_with(&[0, 0]) => return Some(Self::Little),
            [0xfe, 0xff, ..] => return Some(Self::Big),
            _ => {}
        }
        let pairs = || head[..head.len().min(256)].chunks_exact(2);
        let is_text = |byte: u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
        let zeros = |at: usize| pairs().filter(|pair| pair[at] == 0 && is_text(pair[1 - at])).count();
        let enough = |count: usize| pairs().len() >= 8 && count * 10 >= pairs().len() * 9;
        if enough(zeros(1)) { Some(Self::Little) } else { enough(zeros(0)).then_some(Self::Big) }
    }
}

/// Decodes to UTF-8. What is no character becomes U+FFFD.
#[derive(Debug)]
pub(super) struct Decoder {
    order: Order,
    /// The first byte of a unit.
    odd: Option<u8>,
    /// The first unit of a pair.
    high: Option<u16>,
    started: bool,
}

impl Decoder {
    pub(super) fn new(order: Order) -> Self {
        Self { order, odd: None, high: None, started: false }
    }

    fn unit(&mut self, unit: u16, text: &mut Vec<u8>) {
        let first = !std::mem::replace(&mut self.started, true);
        if first && unit == 0xfeff {
            return;
        }
        let high = self.high.take();
        if (0xd800..0xdc00).contains(&unit) {
            if high.is_some() {
                push(char::REPLACEMENT_CHARACTER, text);
            }
            self.high = Some(unit);
            return;
        }
        let units = high.into_iter().chain([unit]);
        char::decode_utf16(units).for_each(|decoded| push(decoded.unwrap_or(char::REPLACEMENT_CHARACTER), text));
    }
}

fn push(character: char, text: &mut Vec<u8>) {
    text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

impl Rewriter for Decoder {
    fn feed(&mut self, bytes: &[u8], text: &mut Vec<u8>) {
        for byte in bytes {
            let Some(first) = self.odd.take() else {
                self.odd = Some(*byte);
                continue;
            };
            let unit = match self.order {
                Order::Little => u16::from_le_bytes([first, *byte]),
                Order::Big => u16::from_be_bytes([first, *byte]),
            };
            self.unit(unit, text);
        }
    }

    fn finish(&mut self, text: &mut Vec<u8>) {
        if self.odd.take().is_some() || self.high.take().is_some() {
            push(char::REPLACEMENT_CHARACTER, text);
        }
    }
}
