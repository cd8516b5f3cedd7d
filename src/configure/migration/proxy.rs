//! The proxy's present files: where their rules for Matrix are, and what replaces them.
//!
//! nginx keeps its site, in which the locations for Matrix give way to one `include`; the other proxies get a file of their own, which is
//! compared with the present one. Knows no Synapse file.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::read::SourceLocation;
use wsim_nginx::grammar::{self, Directive};
use wsim_plan::ProxyKind;

/// The proxy of a deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PresentProxy {
    /// `None` without a proxy's files.
    pub kind: Option<ProxyKind>,
    /// The files with rules that decide where Matrix requests go: name and text.
    pub files: Vec<(String, String)>,
    /// The places of these rules.
    pub rules: BTreeSet<SourceLocation>,
}

/// What happens to one of the proxy's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProxyFile {
    pub(super) name: String,
    pub(super) before: String,
    /// The new text of the same file; `None` if it is changed by hand or replaced.
    pub(super) after: Option<String>,
    /// The written file that replaces it, by its path in the output.
    pub(super) replaced_by: Option<String>,
    /// The lines of the rules that are replaced.
    pub(super) lines: Vec<usize>,
}

/// What happens to each file of the proxy, from the present one and the written ones (path and text).
pub(super) fn files(present: &PresentProxy, new: ProxyKind, written: &[(&str, &str)]) -> Vec<ProxyFile> {
    let file = |(name, before): &(String, String)| {
        let lines: Vec<usize> = present.rules.iter().filter(|rule| *rule.file == **name).map(|rule| rule.line).collect();
        let base = |path: &str| Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let same_kind = present.kind == Some(new);
        let is_own = |(path, _): &&(&str, &str)| same_kind && base(path) == base(name) && *path != EXAMPLE;
        let own = written.iter().find(is_own).or_else(|| written.iter().find(|_| same_kind && new != ProxyKind::Nginx));
        let replaced_by = own.map(|(path, _)| (*path).to_owned());
        let after =
            if same_kind && new == ProxyKind::Nginx && replaced_by.is_none() { nginx_site(name, before, &lines, written) } else { None };
        ProxyFile { name: name.clone(), before: before.clone(), after, replaced_by, lines }
    };
    present.files.iter().map(file).collect()
}

/// The site with an `include` instead of its locations for Matrix; `None` where they do not stand on lines of their own.
fn nginx_site(name: &str, text: &str, rules: &[usize], written: &[(&str, &str)]) -> Option<String> {
    let directives = grammar::parse(Path::new(name), text).ok()?;
    let lines: Vec<&str> = text.lines().collect();
    let mut removed: Vec<(usize, usize, Option<String>)> = Vec::new();
    let mut found = BTreeSet::new();
    for block in servers(&directives) {
        let own: Vec<&Directive> = block.iter().filter(|own| own.name == "location" && rules.contains(&own.line)).collect();
        for (index, location) in own.iter().enumerate() {
            found.insert(location.line);
            let first = lines.get(location.line.checked_sub(1)?)?;
            let last = lines.get(location.last_line.checked_sub(1)?)?;
            if !first.trim_start().starts_with("location") || !last.trim_end().ends_with('}') {
                return None;
            }
            let indent = &first[..first.len() - first.trim_start().len()];
            let include = (index == 0).then(|| format!("{indent}include {SNIPPET};"));
            // What is left for everything else loses against the expressions of the include, and keeps other paths where they are.
            let is_rest = location.arguments == ["/"];
            match (is_rest, include) {
                (true, Some(include)) => removed.push((location.line, location.line - 1, Some(include))),
                (true, None) => {}
                (false, include) => removed.push((location.line, location.last_line, include)),
            }
        }
    }
    if found.len() != rules.len() {
        return None;
    }
    for upstream in clashing(&directives, written) {
        let first = lines.get(upstream.line.checked_sub(1)?)?;
        if !first.trim_start().starts_with("upstream") {
            return None;
        }
        removed.push((upstream.line, upstream.last_line, None));
    }
    removed.sort_unstable();
    let mut out = String::new();
    let mut at = 1;
    for (first, last, include) in removed {
        if first < at {
            return None;
        }
        lines[at - 1..first - 1].iter().for_each(|line| out += &format!("{line}\n"));
        include.iter().for_each(|include| out += &format!("{include}\n"));
        at = last + 1;
    }
    lines.get(at - 1..).unwrap_or_default().iter().for_each(|line| out += &format!("{line}\n"));
    Some(out)
}

/// The contents of every `server`, and of a file that is included into one.
fn servers(directives: &[Directive]) -> Vec<&[Directive]> {
    let mut found = Vec::new();
    if directives.iter().any(|directive| directive.name == "location") {
        found.push(directives);
    }
    for directive in directives {
        let Some(block) = &directive.block else { continue };
        match directive.name.as_str() {
            "server" => found.push(block.as_slice()),
            "http" => found.extend(servers(block)),
            _ => {}
        }
    }
    found
}

/// Groups of servers with a name that one of the written files has, too: nginx would refuse the second.
fn clashing<'d>(directives: &'d [Directive], written: &[(&str, &str)]) -> Vec<&'d Directive> {
    let mut found = Vec::new();
    for directive in directives {
        if directive.name == "upstream" {
            let heading = format!("upstream {} {{", directive.argument(0));
            if written.iter().any(|(_, text)| text.contains(&heading)) {
                found.push(directive);
            }
        } else if directive.name == "http"
            && let Some(block) = &directive.block
        {
            found.extend(clashing(block, written));
        }
    }
    found
}

const SNIPPET: &str = "/etc/nginx/snippets/wsim-locations.conf";
const EXAMPLE: &str = "proxy/nginx/example-site.conf";

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: &str = "\
upstream synapse_main {
    server 127.0.0.1:8008;
}
server {
    listen 443;

    # Syncs.
    location ~ ^/_matrix/client/(r0|v3)/sync$ {
        proxy_pass http://127.0.0.1:8083;
    }

    location /_matrix { proxy_pass http://synapse_main; }

    location / {
        proxy_pass http://synapse_main;
    }
}
server {
    location /grafana { proxy_pass http://127.0.0.1:3000; }
}
";

    #[test]
    fn locations_for_matrix_give_way_to_an_include() {
        let rules = [8, 12, 14].map(|line| SourceLocation::new(&"site".into(), line));
        let present = PresentProxy {
            kind: Some(ProxyKind::Nginx),
            files: vec![("site".to_owned(), SITE.to_owned())],
            rules: rules.into_iter().collect(),
        };
        let written = [("proxy/nginx/wsim-maps.conf", "upstream synapse_main {\n}\n")];
        let found = files(&present, ProxyKind::Nginx, &written);
        let expected = "\
server {
    listen 443;

    # Syncs.
    include /etc/nginx/snippets/wsim-locations.conf;


    location / {
        proxy_pass http://synapse_main;
    }
}
server {
    location /grafana { proxy_pass http://127.0.0.1:3000; }
}
";
        assert_eq!(found[0].after.as_deref(), Some(expected));
        let nested = PresentProxy { rules: [SourceLocation::new(&"site".into(), 9)].into(), ..present };
        assert_eq!(files(&nested, ProxyKind::Nginx, &written)[0].after, None);
    }
}
