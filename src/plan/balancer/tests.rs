use super::*;

fn algorithm(kind: ProxyKind, release: Option<&str>, balance: &str, key: Option<&str>) -> Result<Algorithm, String> {
    let pool = Pool {
        name: "sync".to_owned(),
        endpoints: Vec::new(),
        servers: vec!["127.0.0.1:8013".to_owned(), "127.0.0.1:8037".to_owned()],
        workers: None,
        balance: balance.to_owned(),
        key: key.map(str::to_owned),
        cpu: 1.0,
        ..Pool::default()
    };
    let proxy = Proxy { kind, processes: 1, release: release.map(str::to_owned) };
    let plan = Plan {
        name: String::new(),
        synapse: "1.157".to_owned(),
        proxy,
        pools: vec![pool.clone()],
        stream_writers: [].into(),
        ..Plan::default()
    };
    plan.balancer_config(&pool).map(|config| config.algorithm).map_err(|error| error.to_string())
}

fn key(part: KeyPart, hash: HashType) -> Algorithm {
    Algorithm::Haproxy(Haproxy::Key { part, hash })
}

#[test]
fn the_words_of_nginx_name_its_rules() {
    for (words, rule) in [
        ("round robin", Nginx::RoundRobin),
        ("least_conn;", Nginx::LeastConnections),
        ("ip_hash", Nginx::IpHash),
        ("random", Nginx::Random),
        ("random two least_conn", Nginx::RandomTwo),
        ("hash $http_x_forwarded_for", Nginx::Hash),
        ("hash  $mxid_localpart consistent;", Nginx::Consistent),
    ] {
        assert_eq!(algorithm(ProxyKind::Nginx, None, words, None), Ok(Algorithm::Nginx(rule)), "{words}");
    }
}

#[test]
fn the_words_of_haproxy_name_rule_hash_type_and_factor() {
    let of = |words, key| algorithm(ProxyKind::Haproxy, None, words, key);
    let ring = |balance_factor| HashMethod::Consistent { balance_factor, by_address: None };
    let uri = KeyPart::Uri { whole: false, depth: Some(5), length: None };
    assert_eq!(of("balance hdr(X-Access-Token)", None), Ok(key(KeyPart::FirstValue, HashType::default())));
    assert_eq!(of("uri depth 5 consistent", None), Ok(key(uri, HashType::consistent())));
    assert_eq!(
        of("balance uri whole len 40 hash-type map-based wt6 avalanche", None),
        Ok(key(
            KeyPart::Uri { whole: true, depth: None, length: Some(40) },
            HashType { method: HashMethod::Map, function: HashFunction::Wt6, avalanche: true }
        ))
    );
    assert_eq!(
        of("balance hdr(x) hash-type consistent crc32 hash-balance-factor 150", None),
        Ok(key(KeyPart::FirstValue, HashType { method: ring(Some(150)), function: HashFunction::Crc32, avalanche: false }))
    );
    assert_eq!(
        of("url_param sinceToken hash-type consistent", Some("uri")),
        Ok(key(KeyPart::Parameter("sinceToken".to_owned()), HashType::consistent()))
    );
    assert_eq!(of("url_param access_token", Some("token")), Ok(key(KeyPart::Whole, HashType::default())));
    assert_eq!(of("random(3)", None), Ok(Algorithm::Haproxy(Haproxy::Random { draws: 3 })));
    assert_eq!(of("static-rr", None), Ok(Algorithm::Haproxy(Haproxy::StaticRoundRobin)));
    assert_eq!(of("source", None), Ok(Algorithm::Haproxy(Haproxy::Source(HashType::default()))));
    assert_eq!(
        of("hash req.hdr(x) hash-type consistent hash-key addr-port", None),
        Ok(key(
            KeyPart::Whole,
            HashType {
                method: HashMethod::Consistent {
                    balance_factor: None,
                    by_address: Some(vec![([127, 0, 0, 1].into(), 8013), ([127, 0, 0, 1].into(), 8037)])
                },
                ..HashType::consistent()
            }
        ))
    );
}

#[test]
fn a_release_selects_its_rules_and_none_means_the_newest() {
    let least = |release| algorithm(ProxyKind::Haproxy, release, "leastconn", None);
    let ties = |random_ties| Ok(Algorithm::Haproxy(Haproxy::LeastConnections { random_ties }));
    assert_eq!(least(Some("2.6.12")), ties(false));
    assert_eq!(least(Some("3.2")), ties(true));
    assert_eq!(least(None), ties(true));
    let hash = |release| algorithm(ProxyKind::Caddy, release, "header X-User", None);
    for (release, era) in [
        (Some("2.6.2"), HashEra::KeyFirst),
        (Some("2.6.3"), HashEra::UpstreamFirst),
        (Some("2.7"), HashEra::UpstreamFirst),
        (Some("2.8.0"), HashEra::XxHash),
        (None, HashEra::XxHash),
    ] {
        assert_eq!(hash(release), Ok(Algorithm::Caddy(Caddy::Hash(era))), "{release:?}");
    }
}

#[test]
fn a_comparator_works_behind_any_proxy() {
    for kind in [ProxyKind::Nginx, ProxyKind::Envoy] {
        let jsq = algorithm(kind, None, "Join the shortest busy queue", None);
        assert_eq!(jsq, Ok(Algorithm::Comparator(Comparator::ShortestBusyQueue)));
        let two = algorithm(kind, None, "power of two on busy requests", None);
        assert_eq!(two, Ok(Algorithm::Comparator(Comparator::TwoBusyChoices)));
    }
}

#[test]
fn the_error_for_an_unknown_rule_lists_the_proxys_rules() {
    let error = |kind, words| algorithm(kind, None, words, None).unwrap_err();
    assert_eq!(
        error(ProxyKind::Traefik, "least_conn"),
        "pool \"sync\": Traefik has no rule \"least_conn\"; it has wrr, p2c, hrw and leasttime"
    );
    assert!(error(ProxyKind::Nginx, "balance source").contains("nginx has no rule \"balance source\"; it has round robin, least_conn"));
    assert!(error(ProxyKind::Haproxy, "uri depth").contains("a number follows depth and len"));
    assert!(error(ProxyKind::Haproxy, "hdr(x) hash-type consistent md5").contains("\"md5\""));
    assert!(error(ProxyKind::Caddy, "weighted_round_robin 3 1").contains("write the weights as servers"));
}
