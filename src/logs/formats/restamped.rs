//! A parser with another meaning of its time stamps (`--stamp start|end`).

use crate::{Line, Parser, StampMeaning};

/// A parser whose stamps are read as starts or as ends, whatever its format says.
pub struct Restamped {
    inner: Box<dyn Parser>,
    meaning: StampMeaning,
}

impl Restamped {
    pub fn new(inner: Box<dyn Parser>, meaning: StampMeaning) -> Self {
        Self { inner, meaning }
    }
}

impl Parser for Restamped {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn parse<'a>(&'a mut self, line: &'a [u8]) -> Line<'a> {
        let mut line = self.inner.parse(line);
        if let Line::Request(record) = &mut line
            && let Some(stamp) = &mut record.stamp
        {
            stamp.meaning = self.meaning;
        }
        line
    }

    fn fork(&self) -> Box<dyn Parser> {
        Box::new(Self { inner: self.inner.fork(), meaning: self.meaning })
    }
}
