//! The query parameters that ingesting reads, found in one pass.

use wsim_http::query;

/// A parameter that says what a request is, or how much work it makes. The order is that in templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Parameter {
    /// Where a sync continues.
    Since,
    /// The same for sliding sync.
    Pos,
    /// Where a page starts.
    From,
    /// Where it ends.
    To,
    /// A filter, or the id of one.
    Filter,
    /// The user an application service acts for.
    UserId,
    /// How long a poll may wait, ms.
    Timeout,
    /// Whether a sync asks for the whole state.
    FullState,
    /// Direction of paging.
    Dir,
    /// Size of a page.
    Limit,
    /// Size of a thumbnail.
    Width,
    /// Size of a thumbnail.
    Height,
    /// Secret.
    AccessToken,
}

impl Parameter {
    pub(super) const ALL: [Self; 13] = [
        Self::Since,
        Self::Pos,
        Self::From,
        Self::To,
        Self::Filter,
        Self::UserId,
        Self::Timeout,
        Self::FullState,
        Self::Dir,
        Self::Limit,
        Self::Width,
        Self::Height,
        Self::AccessToken,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Since => "since",
            Self::Pos => "pos",
            Self::From => "from",
            Self::To => "to",
            Self::Filter => "filter",
            Self::UserId => "user_id",
            Self::Timeout => "timeout",
            Self::FullState => "full_state",
            Self::Dir => "dir",
            Self::Limit => "limit",
            Self::Width => "width",
            Self::Height => "height",
            Self::AccessToken => "access_token",
        }
    }

    #[inline]
    fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"since" => Self::Since,
            b"pos" => Self::Pos,
            b"from" => Self::From,
            b"to" => Self::To,
            b"filter" => Self::Filter,
            b"user_id" => Self::UserId,
            b"timeout" => Self::Timeout,
            b"full_state" => Self::FullState,
            b"dir" => Self::Dir,
            b"limit" => Self::Limit,
            b"width" => Self::Width,
            b"height" => Self::Height,
            b"access_token" => Self::AccessToken,
            _ => return None,
        })
    }
}

/// The raw values of the known parameters; the first of several of one name, as in Synapse. Percent-encoded names are not found.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Query<'q> {
    values: [&'q [u8]; Parameter::ALL.len()],
    /// One bit for each parameter that is present.
    present: u16,
}

impl<'q> Query<'q> {
    /// Reads the text after the question mark.
    #[inline]
    pub(super) fn read(text: &'q [u8]) -> Self {
        let mut query = Self::default();
        for (name, value) in query::parameters(text) {
            if let Some(parameter) = Parameter::named(name)
                && !query.has(parameter)
            {
                query.values[parameter as usize] = value;
                query.present |= 1 << parameter as u8;
            }
        }
        query
    }

    /// Whether a parameter is present, even if empty.
    #[inline]
    pub(super) fn has(&self, parameter: Parameter) -> bool {
        self.present & 1 << parameter as u8 != 0
    }

    #[inline]
    pub(super) fn get(&self, parameter: Parameter) -> Option<&'q [u8]> {
        self.has(parameter).then(|| self.values[parameter as usize])
    }

    /// The parameters that are present, in order.
    #[inline]
    pub(super) fn all(&self) -> impl Iterator<Item = (Parameter, &'q [u8])> {
        let (values, mut left) = (self.values, self.present);
        std::iter::from_fn(move || {
            let index = left.trailing_zeros() as usize;
            left &= left.wrapping_sub(1);
            Some((*Parameter::ALL.get(index)?, values[index]))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_is_found_by_its_name_and_index() {
        for (index, parameter) in Parameter::ALL.into_iter().enumerate() {
            assert_eq!((parameter as usize, Parameter::named(parameter.name().as_bytes())), (index, Some(parameter)));
        }
    }

    #[test]
    fn the_first_of_several_counts() {
        let query = Query::read(b"x=1&timeout=0&since=&since=s2&timeout=5&dir");
        assert_eq!((query.get(Parameter::Since), query.get(Parameter::Timeout)), (Some(&b""[..]), Some(&b"0"[..])));
        assert_eq!((query.get(Parameter::Dir), query.get(Parameter::Pos)), (Some(&b""[..]), None));
        let all: Vec<_> = query.all().map(|(parameter, _)| parameter).collect();
        assert_eq!(all, [Parameter::Since, Parameter::Timeout, Parameter::Dir]);
    }
}
