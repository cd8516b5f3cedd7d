//! The keys of the programs that write their own.

use super::super::variable::{Clock, Timer, Unit, Variable};
use crate::StampMeaning;

pub(super) fn envoy(name: &[u8]) -> Option<Variable> {
    Some(match name {
        b"starttime" | b"timestamp" | b"time" => Variable::Time(Clock::Any, StampMeaning::Start),
        b"xenvoyoriginpath" | b"xenvoyoriginalpath" | b"path" => Variable::Target,
        b"duration" => Variable::Wall(Unit::Millis),
        b"upstreamservicetime" | b"xenvoyupstreamservicetime" => Variable::UpstreamTime(Unit::Millis),
        b"downstreamremoteaddress" => Variable::Peer,
        b"responseduration" | b"requestduration" | b"responsetxduration" => Variable::Ignored,
        _ => return None,
    })
}

/// All of HAProxy's times are in milliseconds, whether or not the key says so.
pub(super) fn haproxy(name: &[u8]) -> Option<Variable> {
    haproxy_key(name).or_else(|| haproxy_key(name.strip_suffix(b"ms")?))
}

fn haproxy_key(name: &[u8]) -> Option<Variable> {
    Some(match name {
        b"timestamp" | b"time" | b"ts" | b"requestdate" | b"requestdatetime" | b"datetime" | b"acceptdate" => {
            Variable::Time(Clock::Any, StampMeaning::Start)
        }
        b"bytesread" | b"bytes" => Variable::BytesSent,
        b"bytesuploaded" => Variable::BytesReceived,
        b"backend" | b"backendname" | b"namebackend" => Variable::Backend,
        b"server" | b"servername" | b"nameserver" => Variable::Server,
        b"frontend" | b"frontendname" => Variable::Ignored,
        b"httprequest" | b"request" | b"req" => Variable::RequestLine,
        b"capturedrequestheaders" | b"requestheaders" => Variable::Captures,
        b"hu" => Variable::Target,
        b"hp" => Variable::Path,
        b"hq" => Variable::Query,
        b"tq" | b"timetq" => Variable::Timer(Timer::Request),
        b"tw" | b"timetw" | b"queuetime" | b"queuewaittime" | b"timewait" | b"timequeue" => Variable::Timer(Timer::Queue),
        b"tc" | b"timetc" | b"connecttime" | b"serverconntime" | b"timeconnect" | b"upstreamconnecttime" => Variable::Timer(Timer::Connect),
        b"tr"
        | b"timetr"
        | b"serverresponsetime"
        | b"timebackendresponse"
        | b"backendresponsetime"
        | b"upstreamresponsetime"
        | b"responsetime" => Variable::Timer(Timer::Response),
        b"ta" | b"timeta" | b"totalrequesttime" | b"timeactive" | b"activetime" | b"totaltime" => Variable::Timer(Timer::Active),
        b"tt" | b"timett" | b"sessionduration" | b"timetotal" | b"timesession" | b"duration" => Variable::Timer(Timer::Total),
        _ => return None,
    })
}

pub(super) fn google_cloud(name: &[u8]) -> Option<Variable> {
    Some(match name {
        b"timestamp" => Variable::Time(Clock::Any, StampMeaning::Start),
        b"receivetimestamp" => Variable::Ignored,
        b"latency" | b"httprequestlatency" => Variable::Wall(Unit::Written),
        b"requesturl" => Variable::Target,
        b"serverip" => Variable::UpstreamAddress,
        b"trace" | b"spanid" => Variable::Ignored,
        _ => return None,
    })
}

/// Cloudflare's keys, of which none means what other programs' keys of that name do.
pub(super) fn cloudflare(name: &[u8]) -> Variable {
    match name {
        b"edgestarttimestamp" => Variable::Time(Clock::Any, StampMeaning::Start),
        b"edgeendtimestamp" => Variable::EndTime,
        b"clientrequestmethod" => Variable::Method,
        b"clientrequesturi" => Variable::Target,
        b"clientrequestpath" => Variable::Path,
        b"clientrequesthost" => Variable::Site,
        b"clientrequestuseragent" => Variable::Agent,
        b"clientrequestreferer" => Variable::Referrer,
        b"clientrequestbytes" => Variable::BytesReceived,
        b"clientip" => Variable::Address,
        b"edgeresponsestatus" => Variable::Status,
        b"edgeresponsebytes" => Variable::BytesSent,
        b"originip" => Variable::UpstreamAddress,
        b"originresponsedurationms" => Variable::UpstreamTime(Unit::Millis),
        b"originresponsetime" => Variable::UpstreamTime(Unit::Nanos),
        b"rayid" => Variable::RequestIdText,
        _ => Variable::Ignored,
    }
}

/// `timeTaken` is in seconds, in the first generation of Application Gateways in whole milliseconds.
pub(super) fn azure(name: &[u8]) -> Option<Variable> {
    Some(match name {
        b"originalrequesturiwithargs" => Variable::Target,
        b"requesturi" => Variable::Path,
        b"requestquery" => Variable::Query,
        b"clientip" => Variable::Peer,
        b"timetaken" => Variable::Wall(Unit::SecondsOrMillis),
        b"serverresponselatency" | b"timetofirstbyte" => Variable::UpstreamTime(Unit::SecondsOrMillis),
        b"serverrouted" | b"originip" => Variable::UpstreamAddress,
        b"originalhost" | b"hostname" => Variable::Site,
        b"transactionid" | b"trackingreference" => Variable::RequestIdText,
        b"responsebytes" | b"sentbytes" => Variable::BytesSent,
        b"requestbytes" | b"receivedbytes" => Variable::BytesReceived,
        b"socketip" | b"host" | b"level" | b"clientresponsetime" | b"serverstatus" | b"errorinfo" => Variable::Ignored,
        _ => return None,
    })
}

/// The three times are in seconds, -1 where a step was not reached; their sum is the duration.
pub(super) fn aws(name: &[u8]) -> Option<Variable> {
    Some(match name {
        b"requestcreationtime" => Variable::Time(Clock::Any, StampMeaning::Start),
        b"requestprocessingtime" => Variable::Step { of_upstream: false },
        b"targetprocessingtime" | b"backendprocessingtime" | b"responseprocessingtime" => Variable::Step { of_upstream: true },
        b"elbstatuscode" => Variable::Status,
        b"targetstatuscode" | b"backendstatuscode" => Variable::UpstreamStatus,
        b"target" | b"targetport" | b"targetipport" | b"backend" | b"backendport" => Variable::UpstreamAddress,
        b"clientport" => Variable::Ignored,
        b"domainname" => Variable::Site,
        _ => return None,
    })
}
