//! How collectors write the lines of a program.

/// How a collector writes the lines of a program.
pub(super) struct Dress {
    pub(super) name: &'static str,
    pub(super) write: Write,
}

pub(super) enum Write {
    /// Each line for itself, with its number.
    Line(fn(&str, usize) -> String),
    /// All lines as one document.
    Whole(fn(&[String]) -> Vec<u8>),
}

const fn line(name: &'static str, write: fn(&str, usize) -> String) -> Dress {
    Dress { name, write: Write::Line(write) }
}

const fn whole(name: &'static str, write: fn(&[String]) -> Vec<u8>) -> Dress {
    Dress { name, write: Write::Whole(write) }
}

fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// A second of the clock of collectors: after that of every sample, as for lines that are collected at once.
fn second(number: usize) -> String {
    format!("2026-11-30T{:02}:{:02}:{:02}", number / 3600 % 24, number / 60 % 60, number % 60)
}

fn entry(text: &str, number: usize) -> String {
    let second = 1_796_000_000 + number;
    format!(
        r#"{{"__CURSOR":"s=1;i={number}","__REALTIME_TIMESTAMP":"{second}123456","_PID":"7","SYSLOG_IDENTIFIER":"web","MESSAGE":{}}}"#,
        json(text)
    )
}

pub(super) const DRESSES: [Dress; 66] = [
    line("docker compose", |text, _| format!("web-1  | {text}")),
    line("docker compose v1", |text, _| format!("web_1           | {text}")),
    line("docker compose, coloured", |text, _| format!("\x1b[36mweb-1  | \x1b[0m{text}")),
    line("docker compose --timestamps", |text, number| format!("web-1  | {}.123456789Z {text}", second(number))),
    line("docker service logs", |text, _| format!("matrix_web.1.w9lt1f9tzq2f@node-1    | {text}")),
    line("docker logs -t", |text, number| format!("{}.123456789Z {text}", second(number))),
    line("forego", |text, _| format!("\x1b[0;33;1mweb.1    | \x1b[0m{text}")),
    line("foreman", |text, _| format!("09:12:31 web.1   | {text}")),
    line("pm2", |text, _| format!("0|web  | {text}")),
    line("kubectl --prefix", |text, _| format!("[pod/web-0/web] {text}")),
    line("kubectl --prefix --timestamps", |text, number| format!("[pod/web-0/web] {}.123456789Z {text}", second(number))),
    line("stern", |text, _| format!("web-0 web {text}")),
    line("stern, coloured", |text, _| format!("\x1b[38;5;1mweb-0\x1b[0m \x1b[38;5;2mweb\x1b[0m {text}")),
    line("stern -o json", |text, _| {
        format!(r#"{{"message":{},"nodeName":"n","namespace":"m","podName":"web-0","containerName":"web"}}"#, json(text))
    }),
    line("CRI", |text, number| format!("{}.123456789Z stdout F {text}", second(number))),
    line("Docker json-file", |text, number| {
        format!(r#"{{"log":{},"stream":"stdout","time":"{}.123456789Z"}}"#, json(&format!("{text}\n")), second(number))
    }),
    line("Docker json-file with a tag", |text, number| {
        format!(r#"{{"log":{},"stream":"stdout","attrs":{{"tag":"web"}},"time":"{}.1Z"}}"#, json(&format!("{text}\n")), second(number))
    }),
    line("GELF", |text, number| {
        let second = 1_796_000_000 + number;
        format!(
            r#"{{"version":"1.1","host":"h","short_message":{},"timestamp":{second}.123,"level":6,"_container_name":"web"}}"#,
            json(text)
        )
    }),
    line("journal short", |text, number| format!("Nov 20 00:00:{:02} host web[7]: {text}", number % 60)),
    line("journal short-precise", |text, number| format!("Nov 20 00:00:{:02}.123456 host web[7]: {text}", number % 60)),
    line("journal short-iso", |text, number| format!("{}+0000 host web[7]: {text}", second(number))),
    line("journal short-iso-precise", |text, number| format!("{}.123456+00:00 host web[7]: {text}", second(number))),
    line("journal short-full", |text, number| format!("Mon {} UTC host web[7]: {text}", second(number).replace('T', " "))),
    line("journal with-unit", |text, number| format!("Mon {} CET host web@1.service[7]: {text}", second(number).replace('T', " "))),
    line("journal short-unix", |text, number| format!("{}.123456 host web[7]: {text}", 1_796_000_000 + number)),
    line("journal short-monotonic", |text, number| format!("[ {number:4}.123456] host web[7]: {text}")),
    line("journal json", entry),
    line("journal json, bytes", |text, number| {
        let bytes: Vec<String> = text.bytes().map(|byte| byte.to_string()).collect();
        format!(
            r#"{{"__REALTIME_TIMESTAMP":"{}123456","_SYSTEMD_UNIT":"web.service","MESSAGE":[{}]}}"#,
            1_796_000_000 + number,
            bytes.join(",")
        )
    }),
    line("journal json-seq", |text, number| format!("\x1e{}", entry(text, number))),
    line("journal json-sse", |text, number| format!("data: {}\n", entry(text, number))),
    line("RFC 3164", |text, number| format!("<190>Nov 20 00:00:{:02} host web: {text}", number % 60)),
    line("RFC 3164 without a host", |text, number| format!("<190>Nov  2 00:00:{:02} web: {text}", number % 60)),
    line("rsyslog", |text, number| format!("{}.123456+00:00 host web[7]: {text}", second(number))),
    line("busybox", |text, number| format!("Nov 20 00:00:{:02} host local7.info web: {text}", number % 60)),
    line("RFC 5424", |text, number| format!("<190>1 {}.123Z host web 7 - [meta a=\"b \\\"c\"] {text}", second(number))),
    line("RFC 5424 with a mark", |text, number| format!("<190>1 {}Z host web - - - \u{feff}{text}", second(number))),
    line("Fluent Bit stdout", |text, number| {
        format!(r#"[{number}] kube.web: [[{}.123456789, {{}}], {{"stream"=>"stdout", "log"=>{}}}]"#, 1_796_000_000 + number, json(text))
    }),
    line("Fluent Bit json_lines", |text, number| {
        format!(
            r#"{{"date":{}.123456,"log":{},"kubernetes":{{"pod_name":"web-0","container_name":"web","labels":{{"app":"x"}}}}}}"#,
            1_796_000_000 + number,
            json(text)
        )
    }),
    line("Fluentd file", |text, number| {
        format!("{}+00:00\tdocker.web\t{{\"log\":{},\"container_name\":\"/web\"}}", second(number), json(text))
    }),
    line("Vector", |text, number| {
        format!(
            r#"{{"container_name":"web","host":"h","message":{},"source_type":"docker_logs","timestamp":"{}Z"}}"#,
            json(text),
            second(number)
        )
    }),
    line("logcli", |text, number| format!(r#"{}Z {{container="web", pod="web-0"}} {text}"#, second(number))),
    line("logcli jsonl", |text, number| {
        format!(r#"{{"labels":{{"container":"web"}},"line":{},"timestamp":"{}Z"}}"#, json(text), second(number))
    }),
    line("aws logs tail", |text, number| format!("{}.123000+00:00 ecs/web/0123456789abcdef0123456789abcdef {text}", second(number))),
    line("podman-compose", |text, _| format!("[web] | {text}")),
    line("kubetail", |text, _| format!("[web-0 web] {text}")),
    line("stern with namespaces", |text, _| format!("matrix web-0 web {text}")),
    line("a service's priority", |text, _| format!("<6>{text}")),
    line("a program's name", |text, _| format!("web[7]: {text}")),
    line("Vector logfmt", |text, number| {
        format!("container_name=web host=h message={} source_type=docker_logs stream=stdout timestamp={}.123Z", json(text), second(number))
    }),
    line("loki.echo", |text, number| {
        let labels = json(r#"{container="web", job="x"}"#);
        format!(
            "ts={}.2Z level=info component_id=loki.echo.x entry={} entry_timestamp={}.123Z labels={labels}",
            second(number),
            json(text),
            second(number)
        )
    }),
    line("Filebeat in Kubernetes", |text, number| {
        format!(
            r#"{{"@timestamp":"{}.123Z","message":{},"stream":"stdout","kubernetes":{{"pod":{{"name":"web-0","uid":"1"}},"container":{{"name":"web"}}}}}}"#,
            second(number),
            json(text)
        )
    }),
    line("labels of Loki alone", |text, _| format!(r#"{{container="web"}} {text}"#)),
    line("grep -n", |text, number| format!("web.log:{}:{text}", number + 1)),
    line("numbers of lines", |text, number| format!("{:6}\t{text}", number + 1)),
    line("indentation", |text, _| format!("    {text}")),
    line("quotation", |text, _| format!("> {text}")),
    line("grep", |text, _| format!("web.log.1:{text}")),
    whole("UTF-16", |texts| texts.join("\r\n").encode_utf16().flat_map(u16::to_le_bytes).collect()),
    whole("UTF-16, the other order", |texts| {
        let text = format!("\u{feff}{}", texts.join("\n"));
        text.encode_utf16().flat_map(u16::to_be_bytes).collect()
    }),
    whole("a table", |texts| {
        let row = |(number, text): (usize, &String)| format!("{}Z,web,\"{}\"\r\n", second(number), text.replace('"', "\"\""));
        format!("timestamp,container_name,message\r\n{}", texts.iter().enumerate().map(row).collect::<String>()).into_bytes()
    }),
    whole("parts of a container runtime", |texts| {
        let cut = |text: &String| (text.len() / 2..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let parts = |(number, text): (usize, &String)| {
            let (first, second_part) = text.split_at(cut(text));
            format!("{}.1Z stdout P {first}\n{}.2Z stdout F {second_part}\n", second(number), second(number))
        };
        texts.iter().enumerate().map(parts).collect::<String>().into_bytes()
    }),
    whole("a byte order mark", |texts| format!("\u{feff}{}\n", texts.join("\r\n")).into_bytes()),
    whole("journal json-pretty", |texts| {
        let pretty = |(number, text): (usize, &String)| {
            let value: serde_json::Value = serde_json::from_str(&entry(text, number)).unwrap();
            serde_json::to_string_pretty(&value).unwrap()
        };
        texts.iter().enumerate().map(|entry| (entry.0, entry.1)).map(pretty).collect::<Vec<_>>().join("\n").into_bytes()
    }),
    whole("journal export", |texts| {
        let entry = |(number, text): (usize, &String)| {
            format!(
                "__CURSOR=s=1;i={number}\n__REALTIME_TIMESTAMP={}123456\nSYSLOG_IDENTIFIER=web\nMESSAGE={text}\n\n",
                1_796_000_000 + number
            )
        };
        texts.iter().enumerate().map(entry).collect::<String>().into_bytes()
    }),
    whole("Loki", |texts| {
        let pairs: Vec<String> = texts.iter().map(|text| format!(r#"["1796000000123456789",{}]"#, json(text))).collect();
        let stream = format!(r#"{{"stream":{{"container":"web"}},"values":[{}]}}"#, pairs.join(","));
        format!(r#"{{"status":"success","data":{{"resultType":"streams","result":[{stream}],"stats":{{}}}}}}"#).into_bytes()
    }),
    whole("CloudWatch", |texts| {
        let event = |text: &String| serde_json::json!({"logStreamName": "web", "timestamp": 1_796_000_000_123_u64, "message": text, "eventId": "1"});
        serde_json::to_string_pretty(&serde_json::json!({"events": texts.iter().map(event).collect::<Vec<_>>()})).unwrap().into_bytes()
    }),
];
