//! The names that programs and administrators give the keys of JSON access logs, and what they mean.
//!
//! A key is compared without case, separators and the objects around it: `http_user_agent`, `User-Agent` and `http.user.agent` are one
//! name. A [`Dialect`] is a program whose keys are fixed; its units are certain. In all other logs the unit of a duration is only certain
//! if the key names it (`duration_ms`); otherwise it is open, see [`super::json_units`].
//!
//! Source: nginx's variables and the formats published with them; Elastic Common Schema 8 (`http.*`, `url.*`, `event.duration`); Envoy, Istio
//! and Envoy Gateway documentation (default JSON formats); Google Cloud "HttpRequest" of LogEntry and "Application Load Balancer
//! logging"; Cloudflare Logpush, dataset `http_requests`; Azure documentation, "Diagnostic logs for Application Gateway" and "Azure Front
//! Door metrics and logs"; JSON `log-format`s published for HAProxy; Kong's HTTP log; the names of the W3C's extended format, which
//! CloudFront's JSON has; grok's COMBINEDAPACHELOG; Labeled Tab-separated Values (ltsv.org); AWS's load balancers.

mod dialects;

use super::variable::{Clock, Unit, Variable};
use crate::StampMeaning;

/// Whose keys a log has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Names of the administrator's own.
    Any,
    /// Envoy, Istio, Envoy Gateway.
    Envoy,
    /// HAProxy with a JSON `log-format`.
    Haproxy,
    /// Google Cloud's load balancers.
    GoogleCloud,
    /// Cloudflare Logpush.
    Cloudflare,
    /// Azure's Application Gateway and Front Door.
    Azure,
    /// The log of an AWS load balancer with the fields' names of AWS's documentation as keys.
    Aws,
}

/// What a key means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) variable: Variable,
    /// The unit of a duration is not known by the key.
    pub(super) open: bool,
    /// A duration that is the upstream's where a better key has the request's.
    pub(super) secondary: bool,
}

impl Dialect {
    /// The format's name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "nginx json",
            Self::Envoy => "envoy json",
            Self::Haproxy => "haproxy json",
            Self::GoogleCloud => "google cloud load balancer",
            Self::Cloudflare => "cloudflare logpush",
            Self::Azure => "azure gateway",
            Self::Aws => "aws load balancer json",
        }
    }

    /// Whether a key belongs to this program. Two different ones show it.
    pub(super) fn is_sign(self, name: &[u8]) -> bool {
        let signs: &[&[u8]] = match self {
            Self::Any => &[],
            Self::Envoy => &[
                b"responseflags",
                b"responsecodedetails",
                b"connectionterminationdetails",
                b"upstreamcluster",
                b"upstreamservicetime",
                b"upstreamtransportfailurereason",
                b"requestedservername",
                b"downstreamlocaladdress",
                b"downstreamremoteaddress",
                b"routename",
                b"xenvoyupstreamservicetime",
                b"xenvoyoriginpath",
            ],
            Self::Haproxy => &[
                b"terminationstate",
                b"tsc",
                b"backendname",
                b"frontendname",
                b"frontend",
                b"backend",
                b"servername",
                b"server",
                b"feconn",
                b"beconn",
                b"srvconn",
                b"actconn",
                b"tq",
                b"tw",
                b"tc",
                b"tr",
                b"tt",
                b"ta",
            ],
            Self::GoogleCloud => &[b"requesturl", b"insertid", b"receivetimestamp", b"logname", b"statusdetails"],
            Self::Cloudflare => &[b"edgestarttimestamp", b"edgeendtimestamp", b"edgeresponsestatus", b"clientrequesturi", b"rayid"],
            Self::Azure => &[
                b"resourceid",
                b"operationname",
                b"category",
                b"serverrouted",
                b"serverresponselatency",
                b"backendpoolname",
                b"transactionid",
                b"trackingreference",
                b"routingrulename",
                b"instanceid",
            ],
            Self::Aws => &[
                b"elbstatuscode",
                b"targetstatuscode",
                b"backendstatuscode",
                b"requestprocessingtime",
                b"targetprocessingtime",
                b"backendprocessingtime",
                b"responseprocessingtime",
            ],
        };
        signs.contains(&name)
    }

    /// Signs that a line must have to be this program's.
    pub(super) fn signs_wanted(self) -> u8 {
        match self {
            Self::Any => 0,
            Self::Haproxy | Self::GoogleCloud | Self::Azure | Self::Aws => 3,
            Self::Envoy | Self::Cloudflare => 2,
        }
    }

    /// The meaning of the key at the end of a path.
    pub(super) fn meaning(self, path: &[&[u8]]) -> Option<Meaning> {
        let outer = path.first().filter(|_| path.len() > 1);
        if outer.is_some_and(|outer| FOREIGN.contains(outer)) {
            return None;
        }
        let (name, with_outer) = names(path)?;
        let own = |name: &[u8]| match self {
            Self::Any => None,
            Self::Envoy => dialects::envoy(name),
            Self::Haproxy => dialects::haproxy(name),
            Self::GoogleCloud => dialects::google_cloud(name),
            Self::Cloudflare => Some(dialects::cloudflare(name)),
            Self::Azure => dialects::azure(name),
            Self::Aws => dialects::aws(name),
        };
        let certain = |variable| Meaning { variable, open: false, secondary: false };
        own(&name).or_else(|| own(&with_outer)).map(certain).or_else(|| any(&with_outer)).or_else(|| any(&name))
    }
}

/// The last name of a path, and it together with the name before it; without case and separators. `None` for a key longer than any
/// that is known.
pub(super) fn names(path: &[&[u8]]) -> Option<(Vec<u8>, Vec<u8>)> {
    if path.last()?.len() > NAME_MAX {
        return None;
    }
    let mut parts = path.iter().rev().flat_map(|key| key.rsplit(|byte| *byte == b'.'));
    let plain = |part: &[u8]| part.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect::<Vec<u8>>();
    let last = plain(parts.next()?);
    let name = last.strip_prefix(b"nginx").map_or_else(|| last.clone(), <[u8]>::to_vec);
    let outer = parts.next().map(plain).unwrap_or_default();
    let with_outer = if outer.len() > NAME_MAX { last } else { [outer, last].concat() };
    Some((name, with_outer))
}

fn any(name: &[u8]) -> Option<Meaning> {
    if let Some(variable) = plain(name) {
        return Some(Meaning { variable, open: false, secondary: false });
    }
    let certain = match name {
        b"eventduration" => Some(Variable::Wall(Unit::Nanos)),
        // Kong's plugins (its documentation, "Log format" of the HTTP log); `latencies.kong` is its own part.
        b"latenciesrequest" => Some(Variable::Wall(Unit::Millis)),
        b"latenciesproxy" => Some(Variable::UpstreamTime(Unit::Millis)),
        _ => None,
    };
    if let Some(variable) = certain {
        return Some(Meaning { variable, open: false, secondary: false });
    }
    if let Some((variable, secondary)) = duration(name, Unit::Seconds) {
        return Some(Meaning { variable, open: true, secondary });
    }
    UNITS.iter().find_map(|(suffix, unit)| {
        let base = name.strip_suffix(*suffix)?;
        let base = base.strip_suffix(b"in").unwrap_or(base);
        let (variable, secondary) = duration(base, *unit)?;
        Some(Meaning { variable, open: false, secondary })
    })
}

/// A duration's name without its unit, and whether a better one may be the request's.
fn duration(name: &[u8], unit: Unit) -> Option<(Variable, bool)> {
    Some(match name {
        b"requesttime"
        | b"rt"
        | b"duration"
        | b"timetaken"
        | b"elapsed"
        | b"elapsedtime"
        | b"totaltime"
        | b"timetotal"
        | b"requestduration"
        | b"reqtime"
        | b"total"
        | b"processtime"
        | b"processingtime"
        | b"httpduration"
        | b"requestprocessingtime"
        | b"requestlatency"
        | b"httprequesttime"
        | b"timespent"
        | b"totalduration"
        | b"sessionduration"
        | b"durationtotal"
        | b"timeelapsed" => (Variable::Wall(unit), false),
        b"responsetime"
        | b"latency"
        | b"responseduration"
        | b"took"
        | b"responselatency"
        | b"resp"
        | b"restime"
        | b"cost"
        | b"httprequestlatency" => (Variable::Wall(unit), true),
        b"upstreamresponsetime"
        | b"upstreamtime"
        | b"urt"
        | b"upstreamlatency"
        | b"upstreamduration"
        | b"upstreamresponse"
        | b"originduration"
        | b"backendtime"
        | b"backendresponsetime"
        | b"backendlatency"
        | b"upstreamservicetime"
        | b"xenvoyupstreamservicetime"
        | b"targetprocessingtime"
        | b"serverresponsetime"
        | b"uptime"
        | b"originresponsetime"
        | b"originresponseduration"
        | b"proxytime"
        | b"proxyduration"
        | b"timetofirstbyte"
        | b"apptime"
        | b"ut" => (Variable::UpstreamTime(unit), false),
        _ => return None,
    })
}

/// The meaning of a key that is no duration.
fn plain(name: &[u8]) -> Option<Variable> {
    Some(match name {
        b"ts" | b"msec" | b"time" | b"timelocal" | b"timeiso8601" | b"timestamp" | b"date" | b"datetime" | b"localtime" | b"logtime"
        | b"timems" | b"timestampms" | b"epoch" | b"accesstime" | b"timeiso" | b"t" => Variable::Time(Clock::Any, StampMeaning::End),
        b"starttime" | b"startts" | b"startedat" | b"timestart" | b"requeststart" | b"starttimestamp" | b"startutc"
        | b"requeststarttime" | b"eventstart" => Variable::Time(Clock::Any, StampMeaning::Start),
        b"endtime" | b"endts" | b"finishedat" | b"timeend" | b"endtimestamp" | b"eventend" => Variable::EndTime,
        b"request" | b"requestline" | b"httprequest" | b"req" => Variable::RequestLine,
        b"method" | b"requestmethod" | b"verb" | b"httpmethod" | b"reqmethod" | b"httpverb" | b"httprequestmethod" | b"csmethod"
        | b"requestverb" => Variable::Method,
        b"requesturi" | b"target" | b"urloriginal" | b"requesturl" | b"originaluri" | b"requesttarget" | b"urlfull" | b"httprequesturi" => {
            Variable::Target
        }
        b"uri"
        | b"url"
        | b"path"
        | b"requestpath"
        | b"documenturi"
        | b"urlpath"
        | b"uripath"
        | b"httppath"
        | b"httpurl"
        | b"httpuri"
        | b"reqpath"
        | b"requri"
        | b"csuristem"
        | b"httprequesturinormalized" => Variable::Path,
        b"args" | b"query" | b"querystring" | b"urlquery" | b"requestquery" | b"params" | b"csuriquery" => Variable::Query,
        b"status"
        | b"statuscode"
        | b"httpstatus"
        | b"httpstatuscode"
        | b"code"
        | b"responsecode"
        | b"responsestatus"
        | b"responsestatuscode"
        | b"respstatus"
        | b"httpresponsestatus"
        | b"scstatus"
        // grok's name of it, which Logstash and Graylog keep.
        | b"response" => Variable::Status,
        b"bytes"
        | b"bytessent"
        | b"bodybytessent"
        | b"bodybytes"
        | b"bodysent"
        | b"size"
        | b"responsesize"
        | b"bytesout"
        | b"responsebytes"
        | b"responsebodybytes"
        | b"bodysize"
        | b"sentbytes"
        | b"outbytes"
        | b"responselength"
        | b"byteswritten"
        | b"scbytes"
        | b"httpresponsebodybytes" => Variable::BytesSent,
        b"rl" | b"requestlength" | b"bytesin" | b"bytesreceived" | b"requestsize" | b"requestbytes" | b"requestbodybytes" | b"reqlen"
        | b"receivedbytes" | b"inbytes" | b"csbytes" | b"httprequestlength" => Variable::BytesReceived,
        b"upstreamaddr"
        | b"upstream"
        | b"upstreamaddress"
        | b"uaddr"
        | b"upstreamhost"
        | b"upstreamserver"
        | b"backendaddr"
        | b"upstreamip"
        | b"upstreamremoteaddress" => Variable::UpstreamAddress,
        b"upstreamstatus" | b"us" | b"upstreamstatuscode" => Variable::UpstreamStatus,
        b"upstreambytes" | b"upstreamname" | b"upstreamlength" => Variable::Ignored,
        b"useragent" | b"httpuseragent" | b"agent" | b"useragentoriginal" | b"uastring" | b"browser" | b"csuseragent" => Variable::Agent,
        b"referer" | b"referrer" | b"httpreferer" | b"httpreferrer" | b"requestreferrer" | b"csreferer" => Variable::Referrer,
        b"remoteaddr" | b"client" | b"clientip" | b"remoteip" | b"ip" | b"address" | b"clientaddr" | b"clientaddress"
        | b"remoteaddress" | b"sourceip" | b"sourceaddress" | b"srcip" | b"remotehost" | b"clienthost" | b"ipaddress" | b"peer"
        | b"remote" | b"cip" => Variable::Peer,
        b"xff"
        | b"xforwardedfor"
        | b"httpxforwardedfor"
        | b"forwardedfor"
        | b"xforwardfor"
        | b"xrealip"
        | b"realip"
        | b"httpxrealip"
        | b"forwardedip"
        | b"proxyaddxforwardedfor"
        | b"therealip"
        | b"fwd" => Variable::ForwardedFor,
        b"host" | b"httphost" | b"servername" | b"vhost" | b"domain" | b"authority" | b"virtualhost" | b"requesthost" | b"urldomain"
        | b"serverhost" | b"xhostheader" | b"cshost" => Variable::Site,
        b"remoteuser" => Variable::User,
        b"user" | b"uhash" | b"mxid" | b"userid" | b"userhash" | b"username" => Variable::UserKey,
        b"requestid" | b"rid" | b"reqid" | b"xrequestid" | b"httpxrequestid" | b"traceid" | b"correlationid"
        | b"xedgerequestid" => Variable::RequestIdText,
        b"auth" | b"authorization" | b"httpauthorization" | b"token" => Variable::Authorization,
        b"terminationstate" | b"tsc" => Variable::TerminationState,
        b"responseflags" => Variable::ResponseFlags,
        _ => return None,
    })
}

/// Objects that collectors add: what they say is not of the request.
const FOREIGN: [&[u8]; 8] = [b"kubernetes", b"container", b"docker", b"labels", b"resource", b"ecs", b"k8s", b"_source_meta"];
/// Names of units at the end of a key, longer ones first.
const UNITS: [(&[u8], Unit); 18] = [
    (b"milliseconds", Unit::Millis),
    (b"microseconds", Unit::Micros),
    (b"nanoseconds", Unit::Nanos),
    (b"seconds", Unit::Seconds),
    (b"millis", Unit::Millis),
    (b"micros", Unit::Micros),
    (b"nanos", Unit::Nanos),
    (b"millisec", Unit::Millis),
    (b"microsec", Unit::Micros),
    (b"msec", Unit::Millis),
    (b"usec", Unit::Micros),
    (b"nsec", Unit::Nanos),
    (b"secs", Unit::Seconds),
    (b"sec", Unit::Seconds),
    (b"ms", Unit::Millis),
    (b"us", Unit::Micros),
    (b"ns", Unit::Nanos),
    (b"s", Unit::Seconds),
];
const NAME_MAX: usize = 64;

#[cfg(test)]
mod tests;
