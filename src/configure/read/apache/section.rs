//! Sections: what `Location`, `Directory` and `If` say of a request, and how several of them merge.
//!
//! Sources: `server/request.c` of httpd (`ap_directory_walk`, `ap_location_walk`, `ap_if_walk`, in this order), mod_rewrite's
//! `config_perdir_merge` (the rules of the last section count).

use super::super::model::{SourceLocation, Unknown};
use super::expression::Expression;
use super::lines::Directive;
use super::pass::{Alias, Paths};
use super::rewrite::{Condition, Rule};
use super::run::Settings;

/// A `Location`, `LocationMatch`, `Directory` or `DirectoryMatch`.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) paths: Paths,
    /// Whether the paths are those of files, and not of requests.
    pub(super) is_of_files: bool,
    pub(super) contents: Contents,
    pub(super) at: SourceLocation,
}

/// What stands in a section.
#[derive(Debug, Clone, Default)]
pub(super) struct Contents {
    alias: Option<Alias>,
    /// `None` if the section says nothing about access; `Some(None)` if it allows it.
    denied: Option<Option<SourceLocation>>,
    redirect: Option<SourceLocation>,
    /// A directive that may route, and is not evaluated.
    unknown: Option<(String, SourceLocation)>,
    engine: Option<bool>,
    rules: Vec<Rule>,
    /// The path that mod_rewrite takes off what its rules match.
    folder: String,
    /// Its other directives, of which some say how requests are passed on.
    settings: Vec<Directive>,
    /// What applies under a condition only.
    conditional: Vec<Conditional>,
}

/// An `If`, `ElseIf` or `Else`.
#[derive(Debug, Clone)]
pub(super) struct Conditional {
    condition: Expression,
    contents: Contents,
    at: SourceLocation,
}

impl Section {
    pub(super) fn new(section: &Directive) -> Self {
        let paths = Paths::of_section(section);
        let is_of_files = section.name.starts_with("directory");
        // A `Location` with wildcards or an expression passes on the paths that begin with its text as it stands (mod_proxy.c, `add_pass`).
        let text = section.arguments.last().cloned().unwrap_or_default();
        let aliased = if section.name == "location" { Paths::Prefix(text.clone()) } else { paths.clone() };
        let folder = if is_of_files { format!("{}/", text.trim_end_matches('/')) } else { text };
        let block = section.block.as_deref().unwrap_or_default();
        Self { paths, is_of_files, contents: Contents::new(block, Some(&aliased), &folder), at: section.at.clone() }
    }
}

/// The `If` sections among directives.
pub(super) fn conditionals(directives: &[Directive]) -> Vec<Conditional> {
    let mut found = Vec::new();
    let mut before: Vec<Expression> = Vec::new();
    for directive in directives {
        let own = || Expression::read(directive.argument(0));
        let none_before = |before: &[Expression]| Expression::Not(Box::new(Expression::Any(before.to_vec())));
        let condition = match directive.name.as_str() {
            "if" => {
                before = vec![own()];
                own()
            }
            "elseif" => {
                let condition = Expression::All(vec![none_before(&before), own()]);
                before.push(own());
                condition
            }
            "else" => none_before(&before),
            _ => continue,
        };
        let contents = Contents::new(directive.block.as_deref().unwrap_or_default(), None, "*If");
        found.push(Conditional { condition, contents, at: directive.at.clone() });
    }
    found
}

impl Contents {
    fn new(directives: &[Directive], aliased: Option<&Paths>, folder: &str) -> Self {
        let mut own = Self { folder: folder.to_owned(), conditional: conditionals(directives), ..Self::default() };
        let mut conditions = Vec::new();
        for directive in directives {
            let at = || Some(directive.at.clone());
            match directive.name.as_str() {
                "proxypass" | "proxypassmatch" => match aliased {
                    Some(aliased) => own.alias = Alias::new(directive, Some(aliased)),
                    None => own.unknown = at().map(|at| ("ProxyPass within <If>, which httpd refuses,".to_owned(), at)),
                },
                "require" => {
                    let words: Vec<String> = directive.arguments.iter().map(|word| word.to_ascii_lowercase()).collect();
                    let is_denied =
                        matches!(words.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), ["all", "denied"] | ["local"]);
                    own.denied = Some(at().filter(|_| is_denied));
                }
                "deny" if directive.argument(1).eq_ignore_ascii_case("all") => own.denied = Some(at()),
                "allow" => own.denied = Some(None),
                "redirect" | "redirectmatch" => own.redirect = at(),
                "rewriteengine" => own.engine = Some(directive.argument(0).eq_ignore_ascii_case("on")),
                "rewritecond" => conditions.push(Condition::new(directive)),
                "rewriterule" => own.rules.push(Rule::new(directive, std::mem::take(&mut conditions))),
                "sethandler" if directive.argument(0).starts_with("proxy:") => {
                    own.unknown = at().map(|at| ("SetHandler in a section".to_owned(), at));
                }
                "if" | "elseif" | "else" => {}
                _ => own.settings.push(directive.clone()),
            }
        }
        own
    }

    /// Whether it says where requests go, and not only how they are passed on.
    fn routes(&self) -> bool {
        let denies = self.denied.as_ref().is_some_and(Option::is_some);
        let rewrites = !self.rules.is_empty() && self.engine != Some(false);
        self.alias.is_some() || denies || self.redirect.is_some() || self.unknown.is_some() || rewrites
    }

    /// Whether some setting is about headers of the client's address or scheme.
    fn sets_headers(&self) -> Option<SourceLocation> {
        self.settings.iter().find(|directive| directive.name == "requestheader").map(|directive| directive.at.clone())
    }
}

/// What the sections around a path say together: of each setting the last one counts.
pub(super) struct Around<'s> {
    pub(super) alias: Option<&'s Alias>,
    pub(super) denied: Option<SourceLocation>,
    pub(super) redirect: Option<SourceLocation>,
    pub(super) unknown: Option<(String, SourceLocation)>,
    engine: bool,
    rules: &'s [Rule],
    pub(super) folder: &'s str,
    pub(super) settings: Settings,
    /// A condition that is unknown, and may change headers.
    pub(super) doubt: Option<SourceLocation>,
    conditional: Vec<&'s Conditional>,
}

impl<'s> Around<'s> {
    /// Nothing but the settings of the server and its conditions.
    pub(super) fn new(settings: Settings, conditional: &'s [Conditional]) -> Self {
        Self {
            alias: None,
            denied: None,
            redirect: None,
            unknown: None,
            engine: false,
            rules: &[],
            folder: "",
            settings,
            doubt: None,
            conditional: conditional.iter().collect(),
        }
    }

    /// Adds what a section says.
    pub(super) fn add(&mut self, contents: &'s Contents) {
        self.alias = contents.alias.as_ref().or(self.alias);
        self.denied = contents.denied.clone().unwrap_or(self.denied.take());
        self.redirect = contents.redirect.clone().or(self.redirect.take());
        self.unknown = contents.unknown.clone().or(self.unknown.take());
        self.engine = contents.engine.unwrap_or(self.engine);
        if !contents.rules.is_empty() || contents.engine.is_some() {
            self.rules = &contents.rules;
            self.folder = &contents.folder;
        }
        contents.settings.iter().for_each(|directive| self.settings.take(directive));
        self.conditional.extend(&contents.conditional);
    }

    /// Adds the conditional sections that apply.
    ///
    /// # Errors
    /// A condition that decides where the request goes is unknown.
    pub(super) fn add_conditional(&mut self, variable: &dyn Fn(&str) -> Option<String>) -> Result<(), Unknown> {
        let mut index = 0;
        while let Some(&conditional) = self.conditional.get(index).filter(|_| index < CONDITIONS_MAX) {
            index += 1;
            match conditional.condition.holds(variable) {
                Ok(true) => self.add(&conditional.contents),
                Ok(false) => {}
                Err(why) if conditional.contents.routes() => {
                    return Err(Unknown::new(format!("the condition of this section is unknown: {why}"), &conditional.at));
                }
                Err(_) => self.doubt = conditional.contents.sets_headers().or(self.doubt.take()),
            }
        }
        Ok(())
    }

    /// The rules that apply.
    pub(super) fn rules(&self) -> &'s [Rule] {
        if self.engine { self.rules } else { &[] }
    }
}

const CONDITIONS_MAX: usize = 1000;
