//! Which major version of Traefik takes a rule.
//!
//! Sources: Traefik's `pkg/rules/parser.go` (2), `pkg/muxer/http/matcher.go` (3), "Migrating from v2 to v3" (`core.defaultRuleSyntax`,
//! `ruleSyntax`). Version 3 refuses a matcher with more values than it takes, and leaves the router out.

/// A matcher as a rule has it: name, and number of values.
pub(super) type Call = (String, usize);

/// The reason for which a version refuses a rule.
pub(super) fn refusal(calls: &[Call], major: u32) -> Option<String> {
    calls.iter().find_map(|(name, values)| {
        let own = name.to_ascii_lowercase();
        let name = name.escape_debug();
        match major {
            3 => match MOST_VALUES.iter().find(|(known, _)| *known == own) {
                Some((_, most)) if values > most => Some(format!("{name} takes no more than {}", values_text(*most))),
                None if ONLY_TWO.contains(&own.as_str()) => Some(format!("{name} is a matcher of Traefik 2 only")),
                _ => None,
            },
            2 => ONLY_THREE.contains(&own.as_str()).then(|| format!("{name} is a matcher since Traefik 3")),
            _ => None,
        }
    })
}

fn values_text(count: usize) -> String {
    if count == 1 { "one value".to_owned() } else { format!("{count} values") }
}

/// The major version of a syntax' name, `v2` or `v3`.
pub(super) fn major_of(name: &str) -> Option<u32> {
    name.trim().trim_start_matches(['v', 'V']).split('.').next()?.parse().ok()
}

/// The major version of a container image of Traefik: `docker.io/library/traefik:v3.6@sha256:…`.
pub(in super::super) fn major_of_image(image: &str) -> Option<u32> {
    let image = image.split('@').next()?;
    let (name, tag) = image.rsplit_once(':')?;
    let is_traefik = name.rsplit('/').next() == Some("traefik");
    // The codenames of version 2 and 3 are not known here; `latest` is what it was when the image was pulled.
    major_of(tag).filter(|major| is_traefik && *major > 0)
}

const MOST_VALUES: [(&str, usize); 11] = [
    ("host", 1),
    ("hostregexp", 1),
    ("clientip", 1),
    ("path", 1),
    ("pathprefix", 1),
    ("pathregexp", 1),
    ("method", 1),
    ("header", 2),
    ("headerregexp", 2),
    ("query", 2),
    ("queryregexp", 2),
];
const ONLY_TWO: [&str; 3] = ["hostheader", "headers", "headersregexp"];
const ONLY_THREE: [&str; 4] = ["pathregexp", "header", "headerregexp", "queryregexp"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_matchers() {
        let call = |name: &str, values| vec![("Host".to_owned(), 1), (name.to_owned(), values)];
        assert_eq!(refusal(&call("PathPrefix", 1), 3), None);
        assert_eq!(refusal(&call("PathPrefix", 2), 3).unwrap(), "PathPrefix takes no more than one value");
        assert_eq!(refusal(&call("PathPrefix", 2), 2), None);
        assert_eq!(refusal(&call("Headers", 2), 3).unwrap(), "Headers is a matcher of Traefik 2 only");
        assert_eq!(refusal(&call("PathRegexp", 1), 2).unwrap(), "PathRegexp is a matcher since Traefik 3");
    }

    #[test]
    fn an_image_names_its_version() {
        let images = ["traefik:v3.6", "docker.io/library/traefik:2.11@sha256:abc", "traefik:latest", "traefik", "x/traefik-auth:v3"];
        assert_eq!(images.map(major_of_image), [Some(3), Some(2), None, None, None]);
    }
}
