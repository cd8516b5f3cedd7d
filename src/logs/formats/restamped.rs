//! A parser with another meaning of its time stamps (`--stamp start|end`).

use crate::streams::StreamUpdate;
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

    fn update(&mut self, line: &[u8]) -> Option<StreamUpdate> {
        self.inner.update(line)
    }

    fn study(&mut self, sample: &[&[u8]]) {
        self.inner.study(sample);
    }

    fn notes(&self) -> Vec<String> {
        self.inner.notes()
    }

    fn fork(&self) -> Box<dyn Parser> {
        Box::new(Self { inner: self.inner.fork(), meaning: self.meaning })
    }
}
